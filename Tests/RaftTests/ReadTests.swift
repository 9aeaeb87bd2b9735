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

    @Test("reads asked for before a regular heartbeat are confirmed by it, and cost no round of their own")
    func sharedRound() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        mesh.run(milliseconds: 500)
        mesh.now = try #require(mesh[leader].nextDeadline)
        var heartbeats = 0
        mesh.filter = { envelope in
            if case .heartbeat(let heartbeat) = envelope.message, heartbeat.round > 0 { heartbeats += 1 }
            return true
        }
        let reads = mesh.handle(leader, readsBefore: .timer, count: 5)
        mesh.settle()
        #expect(heartbeats == 2, "one for each of the other voters")
        for read in reads { #expect(mesh.readIndex(of: read) == mesh[leader].commitIndex) }
    }

    @Test("the rounds of reads go to voters only, and a learner that has everything hears of every third heartbeat")
    func learners() {
        let founder = RaftCore(id: NodeID(1), restored: .founding(id: NodeID(1)), seed: 1, now: .zero)
        let joiner = RaftCore(id: NodeID(2), restored: .joining(), seed: 2, now: .zero)
        let mesh = TestMesh([founder, joiner])
        mesh.run(milliseconds: 10)
        mesh.change(at: 1, voters: [1], learners: [2])
        mesh.run(milliseconds: 500)
        var heard = 0
        mesh.filter = { envelope in
            if envelope.to == NodeID(2), envelope.message.isFromLeader { heard += 1 }
            return true
        }
        for _ in 0..<50 {
            _ = mesh.read(at: 1)
            mesh.settle()
        }
        #expect(heard == 0)
        mesh.run(milliseconds: 75 * 30)
        #expect((9...11).contains(heard))
        #expect(mesh[2].leader == NodeID(1))
        mesh.propose(at: 1, "x")
        mesh.settle()
        #expect(mesh.texts(2) == ["x"])
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
