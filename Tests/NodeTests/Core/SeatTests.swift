import Codec
import Mesh
import Scheduler
import Testing

@testable import Node
@testable import Raft

@Suite("Who has a say in the log") struct SeatTests {
    private let worker = NodeID(4)

    /// Three voters, and a worker that was taken over.
    private func fourNodes() throws -> CoreMesh {
        let mesh = try CoreMesh()
        try mesh.admit()
        try mesh.admit()
        try mesh.admit(role: .worker)
        mesh.run(seconds: 10) { mesh[1].raft.membership.voters.count == 3 }
        return mesh
    }

    private func lies(term: UInt64, index: UInt64) -> [RaftMessage] {
        [
            .heartbeat(.init(term: term, commitIndex: index, round: 1)),
            .append(
                .init(
                    term: term, previousIndex: index, previousTerm: min(term, 1),
                    entries: [RaftEntry(index: index + 1, term: term, payload: .command([1]))], commitIndex: index + 1)),
            .voteRequest(.init(term: term, ballot: .vote, isTransfer: true, lastIndex: index + 9, lastTerm: term)),
            .voteResponse(.init(term: term, ballot: .vote, isGranted: false)),
            .timeoutNow(term: term),
        ]
    }

    @Test("who can never vote has a say in the log neither as leader nor as voter, in this term or a later one")
    func workersMessages() throws {
        let mesh = try fourNodes()
        let (term, last) = (mesh[1].raft.term, mesh[1].raft.commitIndex)
        for at in [term, term + 1_000] {
            let later: [RaftMessage] = [
                .heartbeatResponse(.init(term: term + 1_000, round: 1)),
                .appendResponse(.init(term: term + 1_000, previousIndex: 0, outcome: .accepted(matchIndex: last))),
            ]
            for lie in lies(term: at, index: last) + later {
                for number in 1...3 {
                    mesh.handle(NodeID(UInt64(number)), .message(from: worker, .raft(lie)))
                    #expect(mesh[number].raft.term == term, "\(lie)")
                }
            }
        }
        #expect(mesh[1].raft.role == .leader)
        mesh.propose(at: 2, .submit(mesh.job()))
        let isKnown = mesh.run(seconds: 5) { mesh.cores.allSatisfy { $0.state.job(1) != nil } }
        #expect(isKnown, "the worker learns as before")
        #expect(mesh[1].raft.term == term)
    }

    @Test("of two that are no leader only the one that may be chosen is believed")
    func mayBeChosen() throws {
        let mesh = try fourNodes()
        try mesh.admit()
        let later = RaftMessage.heartbeat(.init(term: mesh[2].raft.term + 1, commitIndex: 0, round: 0))
        mesh.handle(NodeID(2), .message(from: worker, .raft(later)))
        #expect(mesh[2].raft.term < later.term)
        mesh.handle(NodeID(2), .message(from: NodeID(5), .raft(later)))
        #expect(mesh[2].raft.term == later.term, "a voter whose log is behind does not know who has a seat")
    }
}
