import Codec
import Testing

@testable import Raft

@Suite struct ReplicationTests {
    @Test("what the leader is asked for is applied everywhere in one order")
    func replicates() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        for number in 1...20 { mesh.propose(at: leader, "\(number)") }
        mesh.settle()
        for number in 1...3 { #expect(mesh.texts(number) == (1...20).map { "\($0)" }) }
    }

    @Test(
        "a member that has less than it acknowledged is filled again by the same leader, though it does not know: as where its data were put back",
        arguments: [false, true])
    func putBack(isIdle: Bool) throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.propose(at: leader, "before")
        mesh.run(milliseconds: 500)
        let member = leader == 1 ? 2 : 1
        let older = mesh.cores[member - 1]
        for text in ["a", "b", "c"] { mesh.propose(at: leader, text) }
        mesh.run(milliseconds: 500)
        mesh.cores[member - 1] = older
        mesh.handle(leader, .unreachable(NodeID(UInt64(member))))
        if !isIdle { mesh.propose(at: leader, "d") }
        mesh.run(milliseconds: 1_000)
        #expect(mesh.leader == leader)
        #expect(mesh[member].lastIndex == mesh[leader].lastIndex)
        #expect(mesh[member].commitIndex == mesh[leader].commitIndex)
    }

    @Test("a follower refuses a proposal and names the leader")
    func refuses() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        let request = mesh.propose(at: leader == 1 ? 2 : 1, "x")
        #expect(mesh.rejection(of: request) == .notLeader(leader: mesh[leader].id))
    }

    @Test("all inputs of one turn cost one write and one message per follower")
    func batches() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        var core = mesh[leader]
        var effects: [RaftEffect] = []
        let proposals = (1...100).map { RaftInput.propose(id: UInt64($0), entry: [UInt8($0)]) }
        core.handle(proposals, at: mesh.now, into: &effects)
        let writes = effects.count { if case .persist = $0 { true } else { false } }
        let sends = effects.count { if case .send = $0 { true } else { false } }
        #expect(writes == 1)
        #expect(sends == 2)
    }

    @Test("an append is acknowledged only when it is on the follower's disk")
    func acknowledgesDurably() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.stalledDisks = mesh.cores.map(\.id).filter { $0 != mesh[leader].id }
        let before = mesh[leader].commitIndex
        mesh.propose(at: leader, "x")
        mesh.settle()
        #expect(mesh[leader].commitIndex == before)
        mesh.stalledDisks = []
        mesh.settle()
        #expect(mesh[leader].commitIndex == before + 1)
    }

    @Test("followers can commit what is not yet on the leader's own disk")
    func leaderDiskIsSlow() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.stalledDisks = [mesh[leader].id]
        mesh.propose(at: leader, "x")
        mesh.settle()
        #expect(mesh.texts(leader) == ["x"])
    }

    @Test("a follower that diverged gives way to the leader's log")
    func conflict() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        mesh.isolated = [mesh[old].id]
        mesh.propose(at: old, "lost 1")
        mesh.propose(at: old, "lost 2")
        mesh.run(milliseconds: 1_500)
        let new = try #require(mesh.leader)
        mesh.propose(at: new, "kept")
        mesh.isolated = []
        mesh.run(milliseconds: 500)
        for number in 1...3 { #expect(mesh.texts(number) == ["kept"]) }
        #expect(mesh[old].lastIndex == mesh[new].lastIndex)
    }

    @Test("a follower far behind gets the snapshot, in pieces, and then the log")
    func snapshot() throws {
        var configuration = RaftConfiguration()
        configuration.trailingEntries = 0
        configuration.snapshotPieceBytes = 10
        let mesh = TestMesh(voters: 3, configuration: configuration)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        let behind = leader == 1 ? 2 : 1
        mesh.isolated = [mesh[behind].id]
        for number in 1...5 { mesh.propose(at: leader, "\(number)") }
        mesh.run(milliseconds: 500)
        let state = Array("a state of more than ten bytes".utf8)
        let snapshot = mesh.snapshot(at: leader, state)
        mesh.propose(at: leader, "after")
        mesh.isolated = []
        mesh.run(milliseconds: 1_000)
        #expect(mesh.restored[behind - 1] == [snapshot])
        #expect(mesh.files[behind - 1].content(of: snapshot) == state)
        #expect(mesh.texts(behind) == ["after"])
        #expect(mesh[behind].lastIndex == mesh[leader].lastIndex)
    }

    @Test("proposals beyond the bound are refused by name until something commits")
    func bounded() throws {
        var configuration = RaftConfiguration()
        configuration.maximumUncommittedBytes = 100
        let mesh = TestMesh(voters: 3, configuration: configuration)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.stalledDisks = mesh.cores.map(\.id)
        let text = String(repeating: "x", count: 50)
        let requests = (1...4).map { _ in mesh.propose(at: leader, text) }
        #expect(mesh.rejection(of: requests[0]) == nil)
        #expect(mesh.rejection(of: requests[3])?.code == "raft.too_much_uncommitted")
        mesh.stalledDisks = []
        mesh.settle()
        #expect(mesh.rejection(of: mesh.propose(at: leader, text)) == nil)
    }
}
