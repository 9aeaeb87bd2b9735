import Codec
import Testing

@testable import Scheduler

@Suite("Nodes that are away by their own word, in the state")
struct AbsenceStateTests {
    private func absence(_ id: UInt64, seconds: Int64 = 60) -> Command {
        .absent(NodeID(2), Absence(id: id, nanoseconds: seconds * 1_000_000_000))
    }

    @Test("nothing is placed there, what runs there stays, and it is bounded")
    func away() throws {
        var mesh = StateUnderTest("owl", "lynx")
        mesh.run(.drain(NodeID(1), DrainOrder(kind: .cordon, by: "sam")))
        _ = mesh.submit()
        let key = try #require(mesh.placeAll().first)
        mesh.report(key, .running)
        #expect(mesh.run(absence(1, seconds: 1_000_000)) == .ok)
        #expect(mesh.state.node(NodeID(2))?.absence?.nanoseconds == SchedulerLimits.absenceMax)
        #expect(mesh.state.node(NodeID(2))?.absence?.since == mesh.state.time)
        #expect(mesh.state.isLive(key))
        let job = mesh.submit()
        #expect(Placement.plan(mesh.state).isEmpty)
        let row = Placement.explain(mesh.state, job: job, now: mesh.state.time)?.rows.first { $0.node == NodeID(2) }
        #expect(row?.reason.hasPrefix("away for ") == true)
        #expect(try SchedulerState(encoded: mesh.state.encoded()).node(NodeID(2))?.absence?.id == 1)
        mesh.run(.back(NodeID(2), absence: 1))
        #expect(Placement.plan(mesh.state).map(\.node) == [NodeID(2)])
    }

    @Test("the end of one absence ends no later one, and a loss ends it")
    func ends() {
        var mesh = StateUnderTest("owl", "lynx")
        mesh.run(absence(1))
        mesh.run(absence(2))
        mesh.run(.back(NodeID(2), absence: 1))
        #expect(mesh.state.node(NodeID(2))?.absence?.id == 2)
        mesh.run(.nodeLost(NodeID(2)))
        #expect(mesh.state.node(NodeID(2))?.absence == nil)
        // What comes late about a node that was given up means nothing.
        mesh.run(absence(3))
        #expect(mesh.state.node(NodeID(2))?.absence == nil)
    }

    @Test("a mesh that does not know the word is not told it")
    func level() {
        #expect(absence(1).level == 5)
        #expect(Command.back(NodeID(1), absence: 1).level == 5)
    }
}
