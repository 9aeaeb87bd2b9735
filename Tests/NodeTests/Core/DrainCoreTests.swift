import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What a drained host does with its attempts")
struct DrainCoreTests {
    private let key = AttemptKey(job: 1, task: 0, attempt: 1)

    private func compare(_ ledger: inout AttemptLedger, _ wanted: WantedAttempt) -> [AttemptLedger.Step] {
        ledger.compare(with: [wanted], mayStart: true, isLeaving: false, at: .zero, wallClock: 77)
    }

    private func wanted(_ stay: WantedAttempt.Stay, started: Bool = false, turn: UInt64? = nil) -> WantedAttempt {
        WantedAttempt(key: key, hasStarted: started, isCancelled: false, turn: turn, stay: stay)
    }

    @Test("what has not begun is given back, what runs may come to its end or is asked to go, once")
    func ledger() {
        var ledger = AttemptLedger()
        #expect(compare(&ledger, wanted(.toItsEnd)).isEmpty)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 1))?.map(\.kind) == [.ended(.returned)])
        var running = AttemptLedger()
        #expect(compare(&running, wanted(.asLongAsItTakes)) == [.start(key)])
        running.heard(AttemptReport(attempt: key, kind: .running, at: 1))
        #expect(compare(&running, wanted(.toItsEnd, started: true)).isEmpty)
        #expect(compare(&running, wanted(.over, started: true)) == [.stop(key, .moved)])
        #expect(compare(&running, wanted(.over, started: true)).isEmpty)
    }

    @Test("what waits in a line is given back")
    func line() {
        var ledger = AttemptLedger()
        #expect(compare(&ledger, wanted(.asLongAsItTakes, turn: 1)) == [.prepare(key)])
        #expect(compare(&ledger, wanted(.toItsEnd, turn: 1)).isEmpty)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 1))?.map(\.kind) == [.ended(.returned)])
    }

    @Test("a leader that is drained gives its seat and the leadership away, and keeps a seat that nobody can take")
    func leader() throws {
        let mesh = try CoreMesh()
        let order = DrainOrder(kind: .drain, by: "sam")
        mesh.propose(at: 1, .drain(NodeID(1), order))
        mesh.run(seconds: 3)
        #expect(mesh[1].raft.membership.voters == [NodeID(1)])
        try mesh.admit()
        #expect(mesh.run(seconds: 10) { mesh[2].raft.role == .leader && mesh[2].raft.membership.voters == [NodeID(2)] })
    }

    @Test("a revoked node is cut from the voters at once, and removed when its lease is over")
    func revoked() throws {
        let mesh = try CoreMesh()
        for _ in 0..<3 { try mesh.admit() }
        mesh.run(seconds: 20) { mesh[1].raft.membership.voters.count == 3 }
        mesh.propose(at: 1, .revoke(NodeID(3), by: "sam"))
        #expect(mesh.run(seconds: 5) { mesh[3].isRevoked || mesh[1].state.node(NodeID(3))?.revocation != nil })
        mesh.isolated = [NodeID(3)]
        #expect(mesh.run(seconds: 10) { !mesh[1].state.isMember(NodeID(3)) })
        #expect(mesh.run(seconds: 10) { mesh[1].raft.membership.voters == [1, 2, 4].map { NodeID($0) } })
    }

    @Test("a host that is dead for longer than the mesh waits is removed, and one that is back in time is not")
    func inactive() throws {
        let mesh = try CoreMesh()
        for _ in 0..<3 { try mesh.admit() }
        mesh.run(seconds: 20) { mesh[1].raft.membership.voters.count == 3 }
        mesh.propose(at: 1, .configure(key: "members.remove-inactive-after", value: "20s", by: "sam"))
        mesh.isolated = [NodeID(4)]
        #expect(mesh.run(seconds: 15) { !mesh[1].state.isPresent(NodeID(4)) })
        #expect(mesh[1].state.isMember(NodeID(4)))
        mesh.isolated = []
        #expect(mesh.run(seconds: 10) { mesh[1].state.isPresent(NodeID(4)) })
        mesh.isolated = [NodeID(4)]
        #expect(mesh.run(seconds: 60) { !mesh[1].state.isMember(NodeID(4)) })
    }
}
