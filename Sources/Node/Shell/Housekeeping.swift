import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler

/// Removes what nobody needs any more: content that the replicated state names no longer, and the directories and
/// output of attempts that the mesh has forgotten or that later ones have replaced. Confined to its loop.
///
/// It looks at the state only once that is as new as this daemon: what an old state does not know may well be needed.
final class Housekeeping: @unchecked Sendable {
    private let node: MeshNode

    /// A daemon that has just started has better things to do.
    private static let firstLook = Interval.seconds(60)
    private static let interval = Interval.seconds(600)
    /// Content that was used within this time stays whoever names it: it may be on its way into the state.
    static let unusedSeconds = 3_600
    /// Checkpoints of a job that has ended stay so long.
    static let endedNanoseconds: Int64 = 86_400_000_000_000
    /// The output of a job stays so long after its end, also when the job has left the state.
    static let outputNanoseconds: Int64 = 30 * 86_400_000_000_000
    /// At one look; the rest has time until the next.
    private static let directoriesMax = 1_000

    init(node: MeshNode) { self.node = node }

    func start() {
        let loop = node.loop
        loop.spawn("housekeeping") { [self] in
            await keepReserve()
            do {
                try await loop.sleep(for: Housekeeping.firstLook)
                while node.isRunning {
                    if node.driver.core.hasCaughtUp { await tidy() }
                    try await loop.sleep(for: Housekeeping.interval)
                }
            } catch {
                // The loop ends, and everything on it.
            }
        }
    }

    /// One look at everything.
    func tidy() async {
        do {
            try await removeDirectories()
            try await removeContent()
        } catch {
            if node.isRunning { node.log.warning("cannot tidy up: \(APIFailure(error).message)") }
        }
        await node.setups.trim()
        await node.images.trim()
        await keepReserve()
    }

    /// Room for the log, for the day the disk is full.
    private func keepReserve() async {
        let path = node.directory.path
        let outcome = await node.loop.offload {
            Result { () throws(HostError) in try DiskReserve.keep(in: path) }
        }
        if case .failure(let error) = outcome { node.log.warning("no room is kept for the log: \(error.message)") }
    }

    private func removeDirectories() async throws {
        let state = node.state
        let directory = node.directory
        var old: [String] = []
        for name in try HostFiles.names(in: directory.work) {
            guard let key = Housekeeping.attempt(ofDirectory: name), Housekeeping.isOver(key, in: state),
                !node.runner.holds(key)
            else { continue }
            old.append("\(directory.work)/\(name)")
        }
        for name in try HostFiles.names(in: directory.logs) {
            guard let job = JobID(name), !state.contains(job), !node.runner.holds(job),
                await !keepsOutput(of: job, at: state.time)
            else { continue }
            old.append("\(directory.logs)/\(name)")
        }
        for name in try HostFiles.names(in: directory.supervisors) {
            if let job = JobID(name), state.job(job)?.isEnded ?? true { node.runner.removeDirectory(of: job) }
        }
        for path in old.prefix(Housekeeping.directoriesMax) {
            // Nothing starts there again: the state never goes back to an attempt that is over.
            try await node.loop.offload { Result { () throws(HostError) in try HostFiles.removeTree(path) } }.get()
        }
    }

    /// Whether the output of a job that has left the state is kept: while its history is being got, and for a while.
    private func keepsOutput(of job: JobID, at time: Int64) async -> Bool {
        if let ended = await node.history.endedAt(job) { return ended > time - Housekeeping.outputNanoseconds }
        return node.history.failure == nil && node.history.completeThrough < node.state.archivedCount
    }

    private func removeContent() async throws {
        let state = node.state
        let roots = await node.loop.offload { Housekeeping.trees(namedBy: state) }
        let unusedSince = Int(EventLoops.wallClock.nanoseconds / 1_000_000_000) - Housekeeping.unusedSeconds
        let removed = try await node.trees.perform { store in
            var kept = Set(roots)
            for root in roots {
                do throws(TransferError) {
                    kept.formUnion(try store.manifest(root).chunks)
                } catch .blobMissing {
                    continue
                } catch .blobDamaged {
                    continue
                }
            }
            return try store.collect(keeping: kept, unusedSince: unusedSince)
        }
        guard removed.blobCount > 0 else { return }
        node.log.note("removed \(removed.blobCount) parts of files that nothing needs, \(removed.byteCount) bytes")
    }

    // MARK: What is needed

    /// The trees that jobs can still ask for, ascending.
    static func trees(namedBy state: SchedulerState) -> [Digest] {
        var trees: Set<Digest> = []
        for job in state.jobs {
            if !job.isEnded, let tree = job.spec.workingTree { trees.insert(tree) }
            let isRecent = (job.endedAt ?? state.time) > state.time - endedNanoseconds
            for index in 0..<job.spec.tasks {
                guard let task = state.task(TaskKey(job: job.id, index: index)) else { continue }
                if let results = task.results { trees.insert(results.tree) }
                if isRecent { trees.formUnion(task.checkpoints.map(\.tree)) }
            }
        }
        return trees.sorted()
    }

    /// The attempt whose working directory is called so; nil for what is none.
    static func attempt(ofDirectory name: String) -> AttemptKey? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let job = JobID(parts[0]), let task = UInt32(parts[1]), let number = UInt32(parts[2])
        else { return nil }
        return AttemptKey(job: job, task: task, attempt: number)
    }

    /// Whether nobody can ask for the files of this attempt any more: its job is forgotten or a later attempt took over.
    static func isOver(_ key: AttemptKey, in state: SchedulerState) -> Bool {
        guard let newest = state.task(key.taskKey)?.attempts.last else { return state.job(key.job) == nil }
        return newest.number > key.attempt
    }
}
