import Codec
import Testing

@testable import Raft

@Suite struct ReadTests {
    @Test("one round answers all reads that waited for it")
    func batches() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.propose(at: leader, "x")
        mesh.settle()
        let reads = (1...10).map { _ in mesh.read(at: leader) }
        mesh.settle()
        for read in reads { #expect(mesh.readIndex(of: read) == mesh[leader].commitIndex) }
    }

    @Test("a leader that nobody hears answers no read")
    func cutOff() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.isolated = [mesh[leader].id]
        let read = mesh.read(at: leader)
        mesh.run(milliseconds: 2_000)
        #expect(mesh.readIndex(of: read) == nil)
        #expect(mesh.rejection(of: read)?.code == "raft.leadership_lost")
    }

    @Test("an answer to an earlier round does not confirm a later read")
    func freshRound() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        let other = leader == 1 ? 2 : 1
        let term = mesh[leader].term
        mesh.filter = { if case .heartbeat = $0.message { false } else { true } }
        let read = mesh.read(at: leader)
        mesh.settle()
        let late = RaftMessage.HeartbeatResponse(term: term, round: 1)
        mesh.handle(leader, .received(from: mesh[other].id, .heartbeatResponse(late)))
        #expect(mesh.readIndex(of: read) == nil)
    }

    @Test("a new leader answers reads only after its term's first commit")
    func firstCommit() throws {
        let mesh = TestMesh(voters: 3)
        mesh.filter = { if case .append = $0.message { false } else { true } }
        mesh.run(milliseconds: 1_200) { mesh.leader != nil }
        let leader = try #require(mesh.leader)
        let read = mesh.read(at: leader)
        mesh.run(milliseconds: 100)
        #expect(mesh.readIndex(of: read) == nil)
        mesh.filter = { _ in true }
        mesh.run(milliseconds: 300)
        #expect(mesh.readIndex(of: read) == mesh[leader].commitIndex)
    }
}
