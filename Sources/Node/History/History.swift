import Codec
import Mesh
import Ring
import Scheduler
import Store

/// Keeps the finished jobs that leave the replicated state, on a thread of its own, and gets from other members what it
/// missed. Confined to its loop.
///
/// Its disk is not the voter's: when it fails, the node goes on without a history, says so, and is asked no more.
final class History: @unchecked Sendable {
    /// Why nothing is kept any more; nil while all is well.
    private(set) var failure: String?
    /// Every job up to this number is here.
    private(set) var completeThrough: UInt64 = 0
    /// The epoch of the mesh that it has heard of.
    private(set) var epoch: UInt64 = 0
    /// Whether everything it was given is on disk.
    var isIdle: Bool { !isWriting && waiting.isEmpty }
    /// Told after each change of the two above.
    let changes: LoopSignal
    /// A failure, once.
    var onFailure: ((String) -> Void)?

    private let loop: any EventLoop
    private let thread: DedicatedThread
    private let store: Confined
    private var waiting: [ArchivedJob] = []
    /// Those that are being written.
    private var underWay: Handoff<[ArchivedJob]>?
    private var waitingIndex: UInt64 = 0
    private var isWriting = false
    /// Up to which number the jobs count that were here before `epoch`.
    private var counted = UInt64.max
    private var isClosed = false

    /// Jobs that wait to be written at most; later ones are left out and fetched from a peer when there is time.
    private static let waitingMax = 65_536

    /// The store, touched on its thread only.
    private final class Confined: @unchecked Sendable {
        let path: String
        var store: HistoryStore?
        init(_ path: String) { self.path = path }

        func use<Value>(_ body: (HistoryStore) throws -> Value) throws -> Value {
            if let store { return try body(store) }
            let opened = try HistoryStore(path: path)
            store = opened
            return try body(opened)
        }
    }

    init(path: String, loop: any EventLoop) throws(RingError) {
        self.loop = loop
        thread = try DedicatedThread("history")
        store = Confined(path)
        changes = LoopSignal(loop)
    }

    /// Opens the file. A failure is kept, not thrown.
    func open() async { epoch = await perform { $0.epoch } ?? 0 }

    // MARK: Writing

    /// The mesh may have been recovered since jobs were kept here: what does not count any more goes.
    func follow(_ state: SchedulerState) {
        guard state.recoveries > epoch, let count = state.historyCounts(ofEpoch: epoch) else { return }
        epoch = state.recoveries
        counted = min(counted, count)
        waiting.removeAll { $0.number > count }
        completeThrough = min(completeThrough, count)
    }

    /// Jobs that left the state before the node began: more than may wait otherwise.
    func follow(_ state: SchedulerState, keeping archived: [(jobs: [ArchivedJob], index: UInt64)]) async {
        follow(state)
        for (jobs, index) in archived {
            if waiting.count >= History.waitingMax / 2 { await settle(through: waitingIndex) }
            keep(jobs, of: index)
        }
    }

    /// Jobs that left the state with the entry of this index.
    func keep(_ jobs: [ArchivedJob], of index: UInt64) {
        guard failure == nil, !isClosed else { return }
        waitingIndex = max(waitingIndex, index)
        waiting += jobs.prefix(max(0, History.waitingMax - waiting.count))
        guard !isWriting else { return }
        isWriting = true
        loop.spawn("write history") { [self] in
            while await writeWaiting() {}
            isWriting = false
            changes.notify()
        }
    }

    private func writeWaiting() async -> Bool {
        guard failure == nil, !waiting.isEmpty else { return false }
        let jobs = Handoff(exchange(&waiting, with: []))
        let index = waitingIndex
        underWay = jobs
        _ = await perform { try $0.write(jobs.value ?? [], upTo: index) }
        underWay = nil
        // A job can have a million tasks.
        await loop.offload { jobs.letGo() }
        return true
    }

    /// What has left and is not on disk, in order.
    private var unwritten: [ArchivedJob] { (underWay?.value ?? []) + waiting }

    /// Returns when every job that left with an entry up to `index` is durable here, or when nothing is kept any more: only
    /// then may those entries be forgotten.
    func settle(through index: UInt64) async {
        waitingIndex = max(waitingIndex, index)
        while failure == nil, isWriting, !isClosed {
            do { try await changes.wait() } catch { return }
        }
        _ = await perform { try $0.write([], upTo: index) }
    }

    /// Work on the store; nil where it failed, which is told.
    private func perform<Value: Sendable>(_ work: @escaping @Sendable (HistoryStore) throws -> Value) async -> Value? {
        guard failure == nil, !isClosed else { return nil }
        let store = store
        let (epoch, counted) = (epoch, counted)
        do {
            let (value, complete) = try await thread.perform {
                Result {
                    try store.use {
                        try $0.enter(epoch, keepingThrough: counted)
                        return (try work($0), $0.completeThrough)
                    }
                }
            }.get()
            completeThrough = complete
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
        changes.notify()
        onFailure?(reason)
    }

    /// Writes what waits and ends the thread.
    func close() async {
        while failure == nil, isWriting {
            do { try await changes.wait() } catch { break }
        }
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

    // MARK: Reading

    /// The job, if it has left the state and is kept here.
    func job(_ id: JobID) async -> ArchivedJob? {
        if let job = unwritten.last(where: { $0.id == id }) { return job }
        return await perform { try $0.job(id) } ?? nil
    }

    /// The jobs that left last, newest first.
    func newest(limit: Int) async -> [ArchivedJob] {
        let unwritten = Array(self.unwritten.reversed())
        let written = await perform { try $0.newest(limit: limit) } ?? []
        let oldest = unwritten.last?.number ?? .max
        return Array((unwritten + written.filter { $0.number < oldest }).prefix(limit))
    }

    /// The part that begins with this job.
    func part(beginningAt first: UInt64) async -> HistoryStore.Part? {
        await perform { try $0.part(beginningAt: first) } ?? nil
    }

    /// When the job ended, if it has left the state and is kept here.
    func endedAt(_ id: JobID) async -> Int64? { await perform { try $0.endedAt(id) } ?? nil }

    /// Takes jobs that a peer has sent.
    ///
    /// - Throws: `CodecError` where they are not what a member sends: that is the peer's failure, not the disk's.
    func take(_ bytes: [UInt8], from first: UInt64, through last: UInt64) async throws {
        let flaw = await perform { store -> CodecError? in
            do {
                try store.take(try ArchivedJobRecords.jobs(in: bytes), from: first, through: last)
                return nil
            } catch let error as CodecError {
                return error
            }
        }
        changes.notify()
        if let flaw = flaw ?? nil { throw flaw }
    }
}
