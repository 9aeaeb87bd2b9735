import Codec
import Raft
import Scheduler

/// Brings the state up to what a log is known to have decided, before the node takes part in anything: like a snapshot
/// that reaches further. Nobody waits for answers and nothing is decided on what is seen meanwhile, so that an entry
/// costs no more than being read and applied.
public struct StateReplay: Sendable {
    public private(set) var state: SchedulerState
    /// The last entry that is part of `state`.
    public private(set) var appliedIndex: UInt64
    /// Jobs that left the state, and the entry that each lot left with.
    public private(set) var archived: [(jobs: [ArchivedJob], index: UInt64)] = []
    /// Lines of the log of what happened, in their order.
    public private(set) var audited: [AuditLine] = []
    private let levels: ProtocolLevels
    private var isOver = false

    /// - Parameters:
    ///   - state: of the snapshot that the log begins with; nil where it has none.
    ///   - levels: which levels of the protocol this program speaks.
    public init(_ state: SchedulerState?, at index: UInt64, levels: ProtocolLevels) {
        self.state = state ?? SchedulerState()
        self.levels = levels
        appliedIndex = index
        isOver = !levels.contains(self.state.level)
    }

    /// Applies the entries that come next. It stops for good before one that cannot be read and behind one after which
    /// the mesh speaks what this program does not: the node says so when it begins there.
    public mutating func apply(_ entries: [RaftEntry]) {
        for entry in entries where !isOver {
            guard let command = entry.command else {
                appliedIndex = entry.index
                continue
            }
            do throws(CodecError) {
                _ = state.apply(try Entry(encoded: command))
            } catch {
                isOver = true
                return
            }
            appliedIndex = entry.index
            audited += state.takeAuditLines()
            let left = state.takeArchived()
            if !left.isEmpty { archived.append((left, entry.index)) }
            isOver = !levels.contains(state.level)
        }
    }
}
