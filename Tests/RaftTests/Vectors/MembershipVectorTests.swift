import Codec
import Foundation
import Testing

@testable import Raft

/// The cases of etcd's `confchange/testdata`: each file is one membership that changes from case to case.
@Suite struct MembershipVectorTests {
    static let folder = "raft/confchange/testdata"

    @Test(
        "memberships follow from each other as etcd's do in every published case",
        .enabled(if: Vectors.exist(folder), "the Raft vectors are not here: set SWARMLET_VECTORS"))
    func published() throws {
        var count = 0
        for file in try Vectors.files(in: Self.folder) {
            var runner = Runner()
            for test in try ScriptCase.read(file) {
                count += 1
                #expect(try runner.answer(test) == test.expected, "\(test.place)")
            }
        }
        #expect(count == 58)
    }

    /// A membership and what a leader would track beside it. etcd counts one entry of the log for each case.
    private struct Runner {
        var membership = RaftMembership()
        var progress: [Raft.Progress] = []
        var lastIndex: UInt64 = 0

        mutating func answer(_ test: ScriptCase) throws -> [String] {
            defer { lastIndex += 1 }
            do throws(RaftError) {
                let steps = test.input.flatMap { $0.split(separator: " ") }.compactMap(step)
                switch test.command {
                case "simple": membership = try membership.changed(by: steps)
                case "enter-joint":
                    let leavesByItself = test.arguments["autoleave"] == ["true"]
                    membership = try membership.entering(steps, staysJoint: !leavesByItself)
                default: membership = try membership.leaving()
                }
            } catch {
                return [text(error)]
            }
            progress = membership.members.map { member in
                progress.first { $0.id == member } ?? Raft.Progress(id: member, next: max(lastIndex, 1), now: .zero)
            }
            return [described] + progress.map(describe)
        }

        /// Node 0 and updates (`u`), which only etcd has, mean nothing.
        private func step(_ word: Substring) -> RaftMembershipStep? {
            guard let number = UInt64(word.dropFirst()), number > 0 else { return nil }
            switch word.first {
            case "v": return .voter(NodeID(number))
            case "l": return .learner(NodeID(number))
            case "r": return .removed(NodeID(number))
            default: return nil
            }
        }

        private func text(_ error: RaftError) -> String {
            switch error {
            case .changeInvalid(.alreadyJoint): "config is already joint"
            case .changeInvalid(.notJoint): "can't leave a non-joint config"
            case .changeInvalid(.simpleWhileJoint): "can't apply simple config change in joint config"
            case .changeInvalid(.noVoterBefore): "can't make a zero-voter config joint"
            case .changeInvalid(.noVoterAfter): "removed all voters"
            case .changeInvalid(.severalVotersAtOnce): "more than one voter changed without entering joint config"
            default: error.message
            }
        }

        private var described: String {
            func list(_ nodes: [NodeID]) -> String { "(" + nodes.map { "\($0.rawValue)" }.joined(separator: " ") + ")" }
            var text = "voters=" + list(membership.voters)
            if membership.isJoint { text += "&&" + list(membership.outgoingVoters) }
            if !membership.learners.isEmpty { text += " learners=" + list(membership.learners) }
            if !membership.nextLearners.isEmpty { text += " learners_next=" + list(membership.nextLearners) }
            if membership.isJoint, !membership.staysJoint { text += " autoleave" }
            return text
        }

        private func describe(_ peer: Raft.Progress) -> String {
            let isLearner = membership.learners.contains(peer.id)
            return "\(peer.id.rawValue): StateProbe match=\(peer.match) next=\(peer.next)"
                + (isLearner ? " learner" : "")
        }
    }
}
