import Codec
import Testing

@testable import Scheduler

@Suite("Levels and recoveries in the state")
struct LevelStateTests {
    @Test("the level only rises, and survives a snapshot")
    func level() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(3))
        #expect(mesh.events == [.levelRaised(3)])
        mesh.run(.raiseLevel(2))
        #expect(mesh.state.level == 3)
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.level == 3)
        #expect(copy.encoded() == mesh.state.encoded())
    }

    @Test("after a recovery, numbers that may have been given elsewhere are not given again")
    func recovered() throws {
        var mesh = StateUnderTest("owl")
        let before = mesh.submit()
        mesh.run(.recovered(epoch: 1))
        #expect(mesh.submit() == before + 1_001)
        guard case .node(let id, _) = mesh.run(.admit(StateUnderTest.node("lynx", key: 9), invitation: nil)) else {
            Issue.record("not admitted")
            return
        }
        #expect(id.rawValue > 1_000)
        #expect(mesh.state.recoveries == 1)
        #expect(try SchedulerState(encoded: mesh.state.encoded()).recoveries == 1)
    }

    @Test("a node that waits to be approved keeps what it speaks, and one that is too old may not even wait")
    func knock() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(2))
        var knock = Knock(
            name: "newt", identityKey: StateUnderTest.key(7), noiseKey: StateUnderTest.key(7), shortID: "x",
            capacity: Capacity(cpuMillis: 1_000, memoryBytes: 1 << 30))
        knock.levels = ProtocolLevels(lowest: 1, highest: 1)
        #expect(mesh.run(.knock(knock)).code == "mesh.level.too_old")
        knock.levels = ProtocolLevels(lowest: 1, highest: 2)
        #expect(mesh.run(.knock(knock)) == .ok)
        mesh.run(.approve("newt"))
        #expect(mesh.state.node(named: "newt")?.levels.highest == 2)
    }
}
