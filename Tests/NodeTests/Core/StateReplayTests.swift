import Codec
import Raft
import Scheduler
import Testing

@testable import Node

@Suite struct StateReplayTests {
    private func entry(_ index: UInt64, _ command: Command) -> RaftEntry {
        let entry = Entry(request: RequestID(high: 7, low: index), time: CoreMesh.epoch, command: command)
        return RaftEntry(index: index, term: 1, payload: .command(entry.encoded()))
    }

    private var founding: RaftEntry {
        entry(
            2,
            .found(
                meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Bytes([UInt8](repeating: 99, count: 32)),
                node: CoreMesh.record(1)))
    }

    @Test("what a log has decided leads to the same state before a node begins as after")
    func sameState() throws {
        var entries = [
            RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: [NodeID(1)]))), founding,
        ]
        for index in UInt64(3)...40 {
            entries.append(entry(index, .configure(key: "user.k\(index % 5)", value: "\(index)", by: "ana")))
        }
        var replay = StateReplay(nil, at: 0, levels: .current)
        replay.apply(Array(entries[..<10]))
        replay.apply(Array(entries[10...]))
        #expect(replay.appliedIndex == 40)

        var restored = RaftRestored(
            hardState: RaftHardState(term: 1, vote: NodeID(1), commitIndex: 40), entries: entries)
        var plain = NodeCore(id: NodeID(1), restored: restored, boot: 1, generation: 1, seal: .none, now: .zero)
        restored.appliedIndex = replay.appliedIndex
        var brought = NodeCore(
            id: NodeID(1), restored: restored, state: replay.state, boot: 1, generation: 1, seal: .none, now: .zero)
        #expect(brought.appliedIndex == 40)
        var effects: [NodeEffect] = []
        plain.handle([.adopted([]), .timer], at: .zero, into: &effects)
        #expect(plain.appliedIndex == 40)
        effects = []
        brought.handle([.adopted([]), .timer], at: .zero, into: &effects)
        #expect(brought.state.digest == plain.state.digest)
        // Nobody is told a second time what was seen before.
        #expect(!effects.contains { if case .changed = $0 { true } else { false } })
    }

    @Test("a replay stops before an entry that cannot be read, and the node says so")
    func unreadable() {
        let broken = RaftEntry(index: 3, term: 1, payload: .command([0xFF]))
        var replay = StateReplay(nil, at: 1, levels: .current)
        replay.apply([founding, broken, entry(4, .configure(key: "user.k", value: "v", by: "ana"))])
        replay.apply([entry(5, .configure(key: "user.k", value: "w", by: "ana"))])
        #expect(replay.appliedIndex == 2)
        #expect(replay.state.setting("user.k") == nil)
    }

    @Test("a replay stops behind the entry that raises the mesh beyond what this program speaks, and the node gives up")
    func levels() {
        let known = ProtocolLevels(lowest: 1, highest: 1)
        var record = CoreMesh.record(1)
        record.levels = ProtocolLevels(lowest: 1, highest: 2)
        let found = entry(
            2,
            .found(
                meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Bytes([UInt8](repeating: 99, count: 32)),
                node: record))
        let entries = [
            RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: [NodeID(1)]))), found,
            entry(3, .raiseLevel(2)), entry(4, .configure(key: "user.k", value: "v", by: "ana")),
        ]
        var replay = StateReplay(nil, at: 0, levels: known)
        replay.apply(entries)
        #expect(replay.appliedIndex == 3)
        #expect(replay.state.level == 2)

        var restored = RaftRestored(hardState: RaftHardState(term: 1, commitIndex: 4), entries: entries)
        restored.appliedIndex = replay.appliedIndex
        var core = NodeCore(
            id: NodeID(1), restored: restored, state: replay.state, boot: 1, generation: 1, seal: .none, now: .zero,
            levels: known)
        var effects: [NodeEffect] = []
        core.handle(.adopted([]), at: .zero, into: &effects)
        #expect(effects.contains { if case .failed = $0 { true } else { false } })
    }

    @Test("a node that knows the other members from a snapshot alone gossips with them")
    func gossipsAfterSnapshot() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        let state = mesh[1].state
        let plan = RaftSnapshotPlan(
            index: mesh[1].appliedIndex, term: mesh[1].raft.term, membership: mesh[1].raft.membership)
        let restored = RaftRestored(
            hardState: RaftHardState(term: plan.term, commitIndex: plan.index),
            snapshot: RaftSnapshot(plan, content: state.encoded()), baseIndex: plan.index, baseTerm: plan.term)
        var core = NodeCore(
            id: NodeID(1), restored: restored, state: state, boot: 9, generation: 9, seal: .none, now: mesh.now)
        var effects: [NodeEffect] = []
        core.handle([.adopted([]), .timer], at: mesh.now, into: &effects)
        #expect(core.swim.member(NodeID(2)) != nil)
    }
}
