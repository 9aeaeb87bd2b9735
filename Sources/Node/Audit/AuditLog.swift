import Codec
import Mesh
import Ring
import Scheduler
import Store
import Tokens

/// Keeps this node's copy of the log of what happened, on a thread of its own. Confined to its loop.
///
/// Its disk is not the voter's: when it fails, the node goes on without a copy, says so, and is asked no more.
final class AuditLog: @unchecked Sendable {
    /// Why nothing is kept any more; nil while all is well.
    private(set) var failure: String?
    /// Entries that are on disk without a gap.
    private(set) var size: UInt64 = 0
    /// The epoch of the mesh that it has heard of.
    private(set) var epoch: UInt64 = 0
    /// The newest checkpoint that is known here.
    private(set) var newest: AuditStore.Signed?
    /// Signed contradictions that were seen here: somebody has shown two logs.
    private(set) var contradictions: [AuditStore.Evidence] = []
    /// Whether lines are on their way to the disk.
    var isWriting: Bool { !waiting.isEmpty || writing != nil || isFlushing > 0 }
    /// A failure, once.
    var onFailure: ((String) -> Void)?

    /// Told when a checkpoint has come.
    let changes: LoopSignal

    private let loop: any EventLoop
    private let thread: DedicatedThread
    private let store: Confined
    private var waiting: [AuditLine] = []
    private var writing: TimerToken?
    private var isFlushing = 0
    /// Up to which size the copy counts that was here before `epoch`.
    private var counted = UInt64.max
    private var isClosed = false

    /// Lines are written together: what a power cut takes of them comes again from the log of the mesh.
    private static let pause = Interval.milliseconds(500)
    /// So many are written at once without a pause.
    private static let waitingMax = 4_096

    /// The store, touched on its thread only.
    private final class Confined: @unchecked Sendable {
        let path: String
        var store: AuditStore?
        init(_ path: String) { self.path = path }

        func use<Value>(_ body: (AuditStore) throws -> Value) throws -> Value {
            if let store { return try body(store) }
            let opened = try AuditStore(path: path)
            store = opened
            return try body(opened)
        }
    }

    init(path: String, loop: any EventLoop) throws(RingError) {
        self.loop = loop
        thread = try DedicatedThread("audit")
        store = Confined(path)
        changes = LoopSignal(loop)
    }

    /// Opens the file. A failure is kept, not thrown.
    func open() async {
        let found = await perform { ($0.epoch, try $0.signed(in: .checkpoint), try $0.evidence()) }
        guard let found else { return }
        (epoch, newest, contradictions) = found
    }

    /// The mesh may have been recovered since: what does not count any more goes.
    func follow(_ state: SchedulerState) {
        guard state.recoveries > epoch, let size = state.auditCounts(ofEpoch: epoch) else { return }
        epoch = state.recoveries
        counted = min(counted, size)
        waiting.removeAll { $0.sequence >= size }
        self.size = min(self.size, size)
        newest = nil
    }

    /// Lines that came with an applied entry.
    func keep(_ lines: [AuditLine]) {
        guard failure == nil, !isClosed else { return }
        waiting += lines
        if waiting.count >= AuditLog.waitingMax {
            loop.spawn("write audit") { [self] in await flush() }
        } else if writing == nil {
            writing = loop.schedule(at: loop.after(AuditLog.pause)) { [self] in
                writing = nil
                loop.spawn("write audit") { [self] in await flush() }
            }
        }
    }

    /// Returns when everything that was given is durable here, or when nothing is kept any more: only then may the entries
    /// be forgotten that it came from.
    func flush() async {
        if let writing { loop.cancel(writing) }
        writing = nil
        let lines = exchange(&waiting, with: [])
        // Also without a line: what was taken before goes to the thread before this.
        isFlushing += 1
        _ = await perform { if !lines.isEmpty { try $0.write(lines) } }
        isFlushing -= 1
    }

    /// Work on the file; nil where it failed, which is told.
    func perform<Value: Sendable>(_ work: @escaping @Sendable (AuditStore) throws -> Value) async -> Value? {
        guard failure == nil, !isClosed else { return nil }
        let store = store
        let (epoch, counted) = (epoch, counted)
        do {
            let (value, size) = try await thread.perform {
                Result {
                    try store.use {
                        try $0.enter(epoch, keeping: counted)
                        return (try work($0), $0.frontier.size)
                    }
                }
            }.get()
            self.size = size
            return value
        } catch {
            fail(APIFailure(error).message)
            return nil
        }
    }

    private func fail(_ reason: String) {
        guard failure == nil, !isClosed else { return }
        failure = reason
        waiting = []
        onFailure?(reason)
    }

    /// Writes what waits and ends the thread.
    func close() async {
        await flush()
        let store = store
        isClosed = true
        do {
            try await thread.perform {
                store.store?.close()
                store.store = nil
            }
        } catch {
            // The thread has ended, and the store with it.
        }
        thread.finish()
    }

    // MARK: What was signed

    /// A checkpoint whose signatures were looked at.
    func keep(_ checkpoint: AuditStore.Signed) async {
        guard await perform({ try $0.keep(checkpoint, in: .checkpoint) }) != nil else { return }
        if checkpoint.size >= newest?.size ?? 0 { newest = checkpoint }
        changes.notify()
    }

    /// Two notes that cannot both be true.
    func keep(_ evidence: AuditStore.Evidence) async {
        let all = await perform { store in
            try store.keep(evidence)
            return try store.evidence()
        }
        if let all { contradictions = all }
    }
}
