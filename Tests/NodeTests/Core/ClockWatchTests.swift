import Codec
import Testing

@testable import Node

@Suite("The leader's clock") struct ClockWatchTests {
    private let voters = (1...5).map { NodeID(UInt64($0)) }
    private static let second: Int64 = 1_000_000_000

    /// What the watch of node 1 says in each of `seconds` seconds, while the others' clocks are ahead by so many seconds;
    /// nil for one that is not heard.
    private func successors(
        ahead: [Int64?], seconds: Int = 8, mayTakeOver: (NodeID) -> Bool = { _ in true }
    ) -> [NodeID] {
        var watch = ClockWatch()
        let members = Array(voters.prefix(ahead.count + 1))
        return (0..<seconds).compactMap { second in
            let now = Instant.zero + .seconds(Int64(second))
            for (voter, ahead) in zip(members.dropFirst(), ahead) {
                if let ahead { watch.heard(voter, ahead: ahead * Self.second, now: now) }
            }
            return watch.successor(of: members[0], among: members, now: now, mayTakeOver: mayTakeOver)
        }
    }

    @Test("a leader more than 10 s from the middle hands over, after 5 s, to the voter nearest to the middle")
    func handsOver() {
        #expect(successors(ahead: [11, 12]) == [voters[1]])
        #expect(successors(ahead: [-11, -12]) == [voters[1]])
        #expect(successors(ahead: [60, 20, 21, 22]) == [voters[3]])
        #expect(successors(ahead: [11, 12], seconds: 5) == [])
        #expect(successors(ahead: [10, 10]) == [])
    }

    @Test("one wrong clock of three is not the leader's business, and of two clocks nobody knows which is wrong")
    func othersAreWrong() {
        #expect(successors(ahead: [3_600, 0]) == [])
        #expect(successors(ahead: [3_600, -3_600]) == [])
        #expect(successors(ahead: [3_600]) == [])
        #expect(successors(ahead: [0, 30, 30]) == [])
    }

    @Test("clocks that are not heard do not count, and without a majority of them nothing is decided")
    func unheard() {
        #expect(successors(ahead: [30, 30, nil, nil]) == [voters[1]])
        #expect(successors(ahead: [30, nil, nil, nil]) == [])
        var watch = ClockWatch()
        for voter in voters.dropFirst() { watch.heard(voter, ahead: 60 * Self.second, now: .zero) }
        for second in 4..<20 {
            let now = Instant.zero + .seconds(Int64(second))
            #expect(watch.successor(of: voters[0], among: voters, now: now) { _ in true } == nil)
        }
    }

    @Test("nobody takes over who may not or is just as far off, and the mesh is asked again only after a while")
    func noSuccessor() {
        #expect(successors(ahead: [30, 30]) { _ in false } == [])
        #expect(successors(ahead: [30, 32]) { $0 == voters[2] } == [voters[2]])
        #expect(successors(ahead: [15, 3_600]) == [voters[1]])
        #expect(successors(ahead: [11, 12], seconds: 30).count == 5)
    }

    @Test("a clock that says anything at all breaks nothing")
    func untrusted() {
        #expect(successors(ahead: [Int64.max / Self.second, Int64.min / Self.second + 1]) == [])
        #expect(successors(ahead: [Int64.max / Self.second, Int64.max / Self.second]) == [voters[1]])
    }

    @Test("in a mesh the leader whose clock is wrong hands over to one whose clock is right, which keeps the lead")
    func mesh() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 60) { mesh[1].raft.membership.voters.count == 3 }
        let voters = mesh[1].raft.membership.voters
        try #require(voters.count == 3)
        mesh.run(seconds: 5)
        func leader() -> Int? { mesh.cores.firstIndex { $0.raft.isReadyLeader }.map { $0 + 1 } }
        let wrong = try #require(leader())
        mesh.handle(mesh[wrong].id, .wallClock(CoreMesh.epoch + mesh.now.nanoseconds + 11 * Self.second))
        mesh.run(seconds: 20) { leader().map { $0 != wrong } ?? false }
        let right = try #require(leader())
        #expect(right != wrong)
        mesh.run(seconds: 30)
        #expect(leader() == right)
    }
}
