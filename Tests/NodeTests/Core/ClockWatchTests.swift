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

    @Test("each node is told how far it is from the middle, and nobody where that cannot be known")
    func eachNode() {
        var watch = ClockWatch()
        let three = Array(voters.prefix(3))
        let outsider = NodeID(9)
        func ahead(_ node: NodeID, among voters: [NodeID], seconds: Int64 = 0) -> Int64? {
            watch.ahead(of: node, leader: voters[0], among: voters, now: .zero + .seconds(seconds)).map {
                $0 / Self.second
            }
        }
        watch.heard(voters[1], ahead: 0, now: .zero)
        watch.heard(outsider, ahead: -3_600 * Self.second, now: .zero)
        #expect(ahead(voters[0], among: three) == nil, "two of three: nobody knows which is wrong")
        watch.heard(voters[2], ahead: 3_600 * Self.second, now: .zero)
        #expect(ahead(voters[0], among: three) == 0)
        #expect(ahead(voters[2], among: three) == 3_600)
        #expect(ahead(outsider, among: three) == -3_600, "one without a vote is told, too")
        #expect(ahead(NodeID(8), among: three) == nil)
        // The leader itself is wrong.
        watch.heard(voters[1], ahead: 3_599 * Self.second, now: .zero)
        #expect(ahead(voters[0], among: three) == -3_599)
        #expect(ahead(voters[2], among: three) == 1)
        #expect(ahead(voters[2], among: three, seconds: 4) == nil, "what was heard long ago")
    }

    @Test(
        "a node whose clock is off knows it within a second, at once when it is set, and not where fewer than three vote"
    )
    func fitness() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 60) { mesh[1].raft.membership.voters.count == 3 }
        mesh.run(seconds: 5)
        let leader = try #require(mesh.cores.firstIndex { $0.raft.isReadyLeader }.map { $0 + 1 })
        for number in 1...3 { #expect(ahead(mesh, number) == 0) }
        let wrong = leader % 3 + 1
        func shown() -> Int64 { CoreMesh.epoch + mesh.now.nanoseconds - 3_600 * Self.second }
        func said() -> Int64? { mesh[wrong].clockAhead(of: shown(), at: mesh.now).map { $0 / Self.second } }
        // Before anybody was told: what was said of the clock before is enough.
        #expect(said() == -3_600)
        mesh.handle(mesh[wrong].id, .wallClock(shown()))
        #expect(said() == -3_600)
        mesh.run(seconds: 3)
        #expect(said() == -3_600)
        for number in 1...3 where number != wrong { #expect(ahead(mesh, number) == 0) }
        mesh.handle(mesh[wrong].id, .wallClock(CoreMesh.epoch + mesh.now.nanoseconds))
        mesh.run(seconds: 3)
        #expect(ahead(mesh, wrong) == 0)
        // Nobody says anything of it any more.
        let later = mesh.now + NodeConstants.clockMemory
        #expect(mesh[wrong].clockAhead(of: CoreMesh.epoch, at: later) == nil)
    }

    @Test("of two clocks nobody knows which is wrong: both are believed")
    func two() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        mesh.run(seconds: 10)
        mesh.handle(mesh[2].id, .wallClock(CoreMesh.epoch + mesh.now.nanoseconds - 3_600 * Self.second))
        mesh.run(seconds: 5)
        #expect(ahead(mesh, 1) == nil && ahead(mesh, 2) == nil)
    }

    /// Seconds by which the clock of a node is ahead, as it knows, where it shows what all show.
    private func ahead(_ mesh: CoreMesh, _ number: Int) -> Int64? {
        mesh[number].clockAhead(of: CoreMesh.epoch + mesh.now.nanoseconds, at: mesh.now).map {
            ($0 + ($0 < 0 ? -1 : 1) * Self.second / 2) / Self.second
        }
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
