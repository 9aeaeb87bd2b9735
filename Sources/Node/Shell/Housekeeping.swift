import Codec
import GPUBackend
import Glibc
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
        try await removeOutput()
        for name in try HostFiles.names(in: directory.supervisors) {
            if let job = JobID(name), state.job(job)?.isEnded ?? true { node.runner.removeDirectory(of: job) }
        }
        for path in old.prefix(Housekeeping.directoriesMax) {
            // Nothing starts there again: the state never goes back to an attempt that is over.
            try await node.loop.offload { Result { () throws(HostError) in try HostFiles.removeTree(path) } }.get()
        }
    }

    /// The output of ended jobs that is not kept any more; an empty file in its place says so.
    private func removeOutput() async throws {
        let logs = node.directory.logs
        var kept: [Retention.Kept] = []
        for name in try HostFiles.names(in: logs) {
            guard let job = JobID(name), !node.runner.holds(job), let ended = await endOfOutput(of: job) else {
                continue
            }
            let size = try await node.loop.offload {
                Result { () throws(HostError) in try Housekeeping.bytes(in: "\(logs)/\(name)") }
            }.get()
            kept.append(Retention.Kept(job: job, endedAt: ended, bytes: size))
        }
        for job in Retention.overdue(kept, at: node.state.time).prefix(Housekeeping.directoriesMax) {
            let path = "\(logs)/\(job)"
            try await node.loop.offload {
                Result { () throws(HostError) in
                    try HostFiles.write("", to: Housekeeping.mark(ofOutput: job, in: logs), flags: O_CREAT)
                    try HostFiles.removeTree(path)
                }
            }.get()
        }
    }

    /// When the job ended whose output this is; nil: not yet, or its history is still being got.
    private func endOfOutput(of job: JobID) async -> Int64? {
        if let record = node.state.job(job) { return record.endedAt }
        if let ended = await node.history.endedAt(job) { return ended }
        // Nobody knows it: it is nobody's.
        let isComplete = node.history.failure != nil || node.history.completeThrough >= node.state.archivedCount
        return isComplete ? Int64.min / 2 : nil
    }

    /// The file that says that there was output of this job.
    static func mark(ofOutput job: JobID, in logs: String) -> String { "\(logs)/\(job).gone" }

    /// Of the files of a directory, which has no others below it.
    private static func bytes(in directory: String) throws(HostError) -> UInt64 {
        var sum: UInt64 = 0
        for name in try HostFiles.names(in: directory) {
            var facts = stat()
            if stat("\(directory)/\(name)", &facts) == 0 { sum += UInt64(facts.st_blocks) * 512 }
        }
        return sum
    }

    private func removeContent() async throws {
        let state = node.state
        let id = node.id
        let roots = await node.loop.offload { Housekeeping.trees(namedBy: state, on: id) }
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
    static func trees(namedBy state: SchedulerState, on node: NodeID) -> [Digest] {
        var trees: Set<Digest> = []
        let overdue = Retention.overdueResults(of: node, in: state)
        for job in state.jobs {
            if !job.isEnded, let tree = job.spec.workingTree { trees.insert(tree) }
            let isRecent = (job.endedAt ?? state.time) > state.time - endedNanoseconds
            for index in 0..<job.spec.tasks {
                guard let task = state.task(TaskKey(job: job.id, index: index)) else { continue }
                let isOverdue =
                    overdue.contains(job.id) || state.time - (job.endedAt ?? state.time) >= Retention.longest
                if let results = task.results, !isOverdue { trees.insert(results.tree) }
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
        if let ended = state.job(key.job)?.endedAt, state.time - ended >= Retention.longest { return true }
        guard let newest = state.task(key.taskKey)?.attempts.last else { return state.job(key.job) == nil }
        return newest.number > key.attempt
    }
}
