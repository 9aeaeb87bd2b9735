import Codec
import Ring
import Scheduler

/// What every caller who follows a job has: somebody who looks at the job whenever anything has changed, the output of
/// its attempts beside that, and what both have to tell, in one line. Confined to its loop.
final class FollowFrame: @unchecked Sendable {
    let node: MeshNode
    let job: JobID
    private let events: LoopQueue<FollowEvent>
    private var toldReason: String?
    private var toldCheckpoint: (number: UInt64, holders: Int) = (0, 0)
    /// The newest attempt of each task whose output is, or was, copied.
    private var pumps: [UInt32: Pump] = [:]
    /// Those that copy still, of attempts that were replaced as well.
    private var open = 0
    private let pumpEnded: LoopSignal
    /// What ended the watch before the job did.
    private var failure: (any Error)?

    private struct Pump {
        let attempt: UInt32
        let task: Task<Void, Never>
        var isDone = false
        var isBroken = false
    }

    /// After the end of a job: how long its last output may take to arrive from nodes that answer.
    private static let outputPatience = Interval.seconds(10)

    init(_ job: JobID, node: MeshNode) {
        self.job = job
        self.node = node
        events = LoopQueue(node.loop, capacity: 64)
        pumpEnded = LoopSignal(node.loop)
    }

    /// Tells everything until the job has ended.
    ///
    /// - Parameters:
    ///   - look: tells what is new; false where there is nothing to look at.
    ///   - drain: sees to the output of a job that has ended.
    func run(
        _ send: (FollowEvent) async throws -> Void,
        look: @escaping @Sendable (SchedulerState, JobRecord) async throws -> Bool,
        drain: @escaping @Sendable (SchedulerState) async throws -> Void
    ) async throws {
        let watcher = node.loop.spawn("follow \(job)") { [self] in
            do { try await watch(look, drain) } catch { failure = error }
            events.finish()
        }
        defer {
            watcher.cancel()
            for task in pumps.keys { pumps[task]?.task.cancel() }
        }
        while let event = try await events.next() {
            try await send(event)
            if case .ended = event { return }
        }
        if !node.isRunning { throw NodeError.stopping }
        throw failure ?? NodeError.jobNotFound(job)
    }

    private func watch(
        _ look: (SchedulerState, JobRecord) async throws -> Bool, _ drain: (SchedulerState) async throws -> Void
    ) async throws {
        while node.isRunning {
            // A job that has left the state has ended, and the history knows how.
            guard let state = await node.state(knowing: job), let record = state.job(job),
                try await look(state, record)
            else { return }
            if record.isEnded {
                try await drain(state)
                return try await events.send(.ended(node.views(of: state).ended(record)))
            }
            try await node.driver.changes.wait()
        }
    }

    func tell(_ event: FollowEvent) async throws { try await events.send(event) }

    /// Why it waits for a place; nil where it does not.
    func reason(isPending: Bool) -> String? { isPending ? Placement.reason(node.state, job: job) : nil }

    /// Why nothing runs yet, when that is news.
    func tellReason(_ record: JobRecord, _ reason: String?) async throws {
        let reason = record.isEnded ? nil : reason
        if let reason, reason != toldReason { try await tell(.waiting(reason)) }
        toldReason = reason
    }

    /// A checkpoint that others have as well, when that is news.
    func tellCheckpoint(_ task: TaskRecord) async throws {
        guard let checkpoint = task.checkpoints.last else { return }
        let others = checkpoint.holders.filter { $0 != task.attempts.last?.node }
        let isNews = checkpoint.number > toldCheckpoint.number || others.count > toldCheckpoint.holders
        guard isNews, !others.isEmpty else { return }
        toldCheckpoint = (checkpoint.number, others.count)
        let holders = others.map(node.views.nodeName)
        try await tell(
            .checkpoint(CheckpointSafe(number: checkpoint.number, bytes: checkpoint.bytes, holders: holders)))
    }

    /// How long after the loss of an attempt the next one began.
    func sinceLoss(_ lost: Attempt?, _ next: Attempt) -> UInt64? {
        guard let lost, lost.outcome == .lost, let started = next.startedAt, let lostAt = lost.endedAt else {
            return nil
        }
        let silence = node.silenceAtLoss[lost.node] ?? .zero
        return UInt64(max(0, (started - lostAt + silence.nanoseconds) / 1_000_000))
    }

    // MARK: Output

    /// Whether nothing of this attempt of a task, or of a later one, has been asked for.
    func isNew(_ attempt: Attempt, of task: UInt32) -> Bool { attempt.number > pumps[task]?.attempt ?? 0 }

    /// Copies the output of an attempt as it comes. `rank`: of a gang, where the attempt before goes on to its end; else
    /// it is not waited for.
    func pump(_ request: OutputRequest, rank: UInt32? = nil) {
        let (task, number) = (request.key.task, request.key.attempt)
        if rank == nil { pumps[task]?.task.cancel() }
        open += 1
        let copier = node.loop.spawn("output of \(job)") { [self] in
            var hasFailed = false
            do {
                try await node.output.read(request) { [self] chunk in
                    var chunk = chunk
                    chunk.rank = rank
                    try await tell(.output(chunk))
                }
            } catch {
                hasFailed = true
                node.log.note(
                    "the output of attempt \(number) of job \(job) broke off: \(APIFailure(error).message)")
            }
            open -= 1
            if pumps[task]?.attempt == number {
                pumps[task]?.isDone = true
                pumps[task]?.isBroken = hasFailed
            }
            pumpEnded.notify()
        }
        pumps[task] = Pump(attempt: number, task: copier)
    }

    /// Waits until the output of ended attempts has been copied; the first of these tasks of which it has not all been,
    /// ascending.
    func drainedBut(_ tasks: [UInt32]) async -> UInt32? {
        let deadline = node.loop.now + FollowFrame.outputPatience
        while open > 0, node.loop.now < deadline {
            do { try await pumpEnded.wait(until: deadline) } catch { break }
        }
        return tasks.first { task in pumps[task].map { !$0.isDone || $0.isBroken } ?? false }
    }
}
