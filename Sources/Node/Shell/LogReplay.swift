import Codec
import Raft
import Ring
import Scheduler

/// What a node begins with: its log, and the state that the log has decided.
///
/// The log's thread reads rows and checks them; what it finds decided is applied on a second thread meanwhile, and the
/// core is made there, too: a log that has grown long holds up nothing else.
final class LogReplay: Sendable {
    /// What is there once everything has been read.
    struct Outcome: Sendable {
        var log: RaftLog
        var core: NodeCore
        /// Jobs that the history may not have.
        var archived: [(jobs: [ArchivedJob], index: UInt64)]
        /// Lines of the log of what happened that this node may not have kept.
        var audited: [AuditLine]
    }

    private let thread: DedicatedThread
    private let work: Work

    /// Used by the log's thread until it has read everything, and by `thread` alone what begins with `replay`.
    private final class Work: @unchecked Sendable {
        let levels: ProtocolLevels
        var loaded: SchedulerState?
        var loadedIndex: UInt64 = 0
        var hasBegun = false
        var failure: RingError?
        var replay: StateReplay?
        init(_ levels: ProtocolLevels) { self.levels = levels }
    }

    init(levels: ProtocolLevels) throws(RingError) {
        thread = try DedicatedThread("replay")
        // Like the log's thread and the loop: a mesh may wait for this node. Where it is not allowed the daemon has said so.
        try thread.submit { _ = ThreadPriority.raise() }
        work = Work(levels)
    }

    /// Reads the log in a directory on its thread.
    ///
    /// - Parameters:
    ///   - founder: the node that founds a mesh here where there is no log.
    ///   - make: makes the core, off the loop.
    func read(
        _ path: String, on logThread: DedicatedThread, founder: NodeID?, isExpected: Bool,
        _ make: @escaping @Sendable (RaftRestored, SchedulerState?) -> NodeCore
    ) async throws -> Outcome {
        defer { thread.finish() }
        let (log, found) = try await logThread.perform { [self] in
            Result { try open(path, founder: founder, isExpected: isExpected) }
        }.get()
        return try await thread.perform { [work] in
            var restored = found
            // A broken snapshot was read as far as that went, and does not count.
            guard let replay = exchange(&work.replay, with: nil) else {
                let core = make(restored, restored.snapshot == nil ? nil : work.loaded)
                return Outcome(log: log, core: core, archived: [], audited: [])
            }
            restored.appliedIndex = replay.appliedIndex
            return Outcome(
                log: log, core: make(restored, replay.state), archived: replay.archived, audited: replay.audited)
        }
    }

    /// On the log's thread.
    private func open(_ path: String, founder: NodeID?, isExpected: Bool) throws -> (RaftLog, RaftRestored) {
        let log = try RaftLog(directory: path)
        let found = try log.restore(isExpected: isExpected) { reader in
            work.loaded = try CoreDriver.loadState(from: reader)
            work.loadedIndex = reader.snapshot.index
        } decided: { entries in
            replay(entries)
        }
        if let failure = work.failure { throw failure }
        if let found { return (log, found.restored) }
        guard let founder else { return (log, .joining()) }
        let founding = RaftRestored.founding(id: founder)
        try log.found(founding)
        return (log, founding)
    }

    private func replay(_ entries: [RaftEntry]) {
        let first = work.hasBegun ? nil : StateReplay(work.loaded, at: work.loadedIndex, levels: work.levels)
        if !work.hasBegun { work.loaded = nil }
        work.hasBegun = true
        do throws(RingError) {
            try thread.submit { [work] in
                if let first { work.replay = first }
                work.replay?.apply(entries)
            }
        } catch {
            work.failure = error
        }
    }
}
