import Codec
import Foundation
import Testing

@testable import Raft

/// The cases of etcd's `quorum/testdata`, tables included.
@Suite struct QuorumVectorTests {
    static let folder = "raft/quorum/testdata"

    @Test(
        "majorities, single and joint, decide as etcd's do in every published case",
        .enabled(if: Vectors.exist(folder), "the Raft vectors are not here: set SWARMLET_VECTORS"))
    func published() throws {
        var count = 0
        for file in try Vectors.files(in: Self.folder) {
            for test in try ScriptCase.read(file) {
                count += 1
                #expect(try answer(test) == test.expected, "\(test.place)")
            }
        }
        #expect(count == 127)
    }

    private func answer(_ test: ScriptCase) throws -> [String] {
        let voters = try nodes(test.arguments["cfg"])
        let isJoint = test.arguments["cfgj"] != nil
        let others = test.arguments["cfgj"] == ["zero"] ? [] : try nodes(test.arguments["cfgj"])
        let membership = RaftMembership(
            voters: voters, outgoingVoters: others, learners: [], nextLearners: [], staysJoint: false)
        // Values are given for all voters in the order in which they were named.
        var named: [NodeID] = []
        for node in voters + others where !named.contains(node) { named.append(node) }
        if test.command == "vote" {
            let votes = Dictionary(uniqueKeysWithValues: zip(named, test.arguments["votes"] ?? []))
            let verdict = Quorum.verdict(in: membership) { node in
                votes[node] == "y" ? true : votes[node] == "n" ? false : nil
            }
            return [verdict == .won ? "VoteWon" : verdict == .lost ? "VoteLost" : "VotePending"]
        }
        #expect(test.command == "committed", "\(test.place)")
        let values = try (test.arguments["idx"] ?? []).map { $0 == "_" ? nil : try #require(UInt64($0)) }
        let indexes = Dictionary(uniqueKeysWithValues: zip(named, values))
        let reached = Quorum.reached(in: membership, unlimited: UInt64.max) { (indexes[$0] ?? nil) ?? 0 }
        let table = membership.members.isEmpty ? [] : table(membership.members.map { ($0, indexes[$0] ?? nil) })
        let result = reached == .max ? "\u{221E}" : "\(reached)"
        guard membership.members.isEmpty, !isJoint else { return table + [result] }
        return ["<empty majority quorum>" + result]
    }

    private func nodes(_ words: [String]?) throws -> [NodeID] {
        try (words ?? []).map { NodeID(try #require(UInt64($0))) }
    }

    /// Who is how far: a bar as long as the number of voters behind, a question mark where nothing is known.
    private func table(_ rows: [(node: NodeID, index: UInt64?)]) -> [String] {
        func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }
        let lines = rows.indices.map { position in
            let behind = rows.count { $0.index ?? 0 < rows[position].index ?? 0 }
            let bar =
                rows[position].index == nil
                ? "?" + spaces(rows.count)
                : String(repeating: "x", count: behind) + ">" + spaces(rows.count - behind)
            let index = "\(rows[position].index ?? 0)"
            return bar + " " + spaces(max(0, 5 - index.count)) + index + "    (id=\(rows[position].node.rawValue))"
        }
        return [spaces(rows.count) + "    idx"] + lines
    }
}
