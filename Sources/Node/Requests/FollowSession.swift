import Codec
import Mesh
import Ring
import Scheduler

/// One caller that follows one task of a job from submit to end. Confined to its loop.
///
/// It compares what the replicated state says with what it has told, so that nothing is missed whatever happened
/// between two looks, and copies the output of the newest attempt beside it.
final class FollowSession: @unchecked Sendable {
    private let node: MeshNode
    private let job: JobID
    private let task: TaskKey
    private let events: LoopQueue<FollowEvent>
    private let cursor: OutputCursor
    /// The first attempt that is seen is shown from where it is.
    private var fromNow: Bool
    private var toldAttempt: UInt32
    private var toldLost: UInt32
    private var toldSetup: UInt32
    private var toldReason: String?
    private var toldCheckpoint: (number: UInt64, holders: Int) = (0, 0)
    private var toldFrozen = false
    private var toldPause: String?
    /// The attempt whose output is being copied, and whether all of it has been.
    private var pumped: UInt32 = 0
    private var pumpIsDone = true
    private var pumpHasFailed = false
    private var pump: Task<Void, Never>?
    private let pumpEnded: LoopSignal
    /// What ended the watch before the job did.
    private var failure: (any Error)?

    /// After the end of a job: how long its last output may take to arrive from a node that answers.
    private static let outputPatience = Interval.seconds(10)

    init(_ request: FollowRequest, node: MeshNode) {
        self.node = node
        job = request.job
        task = TaskKey(job: request.job, index: request.task)
        cursor = request.cursor
        fromNow = request.fromNow && request.cursor.place == nil
        toldAttempt = request.seenAttempt
        toldLost = request.seenAttempt
        toldSetup = request.seenAttempt
        events = LoopQueue(node.loop, capacity: 64)
        pumpEnded = LoopSignal(node.loop)
    }

    /// Tells everything until the job has ended.
    func run(_ send: (FollowEvent) async throws -> Void) async throws {
        let watcher = node.loop.spawn("follow \(job)") { [self] in
            do { try await watch() } catch { failure = error }
            events.finish()
        }
        defer {
            watcher.cancel()
            pump?.cancel()
        }
        while let event = try await events.next() {
            try await send(event)
            if case .ended = event { return }
        }
        if !node.isRunning { throw NodeError.stopping }
        throw failure ?? NodeError.jobNotFound(job)
    }

    private func watch() async throws {
        while node.isRunning {
            // A job that has left the state has ended, and the history knows how.
            guard let state = await node.state(knowing: job), let record = state.job(job),
                let current = state.task(task)
            else { return }
            if current.attempts.last?.startedAt == nil { fromNow = false }
            try await tell(record, current)
            if record.isEnded {
                try await drain(current)
                try await events.send(.ended(node.views(of: state).ended(record)))
                return
            }
            try await node.driver.changes.wait()
        }
    }

    private func tell(_ record: JobRecord, _ current: TaskRecord) async throws {
        for attempt in current.attempts
        where (attempt.outcome == .lost || attempt.outcome == .moved) && attempt.number > toldLost {
            toldLost = attempt.number
            let next = current.state == .failed ? nil : attempt.number + 1
            try await events.send(
                .hostLost(
                    HostLost(
                        node: node.views.nodeName(attempt.node),
                        silentMilliseconds: UInt64(node.peers.silence(of: attempt.node).milliseconds),
                        nextAttempt: next, isDrained: attempt.outcome == .moved)))
        }
        if !record.isEnded, record.pausedBy != toldPause {
            toldPause = record.pausedBy
            try await events.send(.paused(by: record.pausedBy))
        }
        let setsUp = isSettingUp(record, current)
        let reason = record.isEnded ? nil : setsUp.map { "its setup runs on \($0)" } ?? waits(current)
        if let reason, reason != toldReason { try await events.send(.waiting(reason)) }
        toldReason = reason
        if let newest = current.attempts.last, newest.startedAt != nil || newest.outcome != nil {
            if newest.number > toldSetup, let setup = newest.setup {
                toldSetup = newest.number
                try await events.send(.setUp(node: node.views.nodeName(newest.node), setup))
            }
            if newest.number > toldAttempt, newest.startedAt != nil, setsUp == nil {
                toldAttempt = newest.number
                try await events.send(.placed(placed(newest, current)))
            }
            startPump(newest)
        }
        if let checkpoint = current.checkpoints.last {
            let others = checkpoint.holders.filter { $0 != current.attempts.last?.node }
            let isNews = checkpoint.number > toldCheckpoint.number || others.count > toldCheckpoint.holders
            if isNews, !others.isEmpty {
                toldCheckpoint = (checkpoint.number, others.count)
                try await events.send(
                    .checkpoint(
                        CheckpointSafe(
                            number: checkpoint.number, bytes: checkpoint.bytes,
                            holders: others.map(node.views.nodeName))))
            }
        }
        if let live = current.liveAttempt, live.node == node.id {
            let frozen = node.runner.isFrozen(AttemptKey(task, attempt: live.number))
            if frozen != toldFrozen {
                toldFrozen = frozen
                try await events.send(.frozen(frozen))
            }
        }
    }

    private func waits(_ current: TaskRecord) -> String? {
        current.state == .pending ? Placement.reason(node.state, job: job) : nil
    }

    /// The node on which its setup runs; nil where none does, or where the mesh has no words for its end.
    private func isSettingUp(_ record: JobRecord, _ current: TaskRecord) -> String? {
        guard record.spec.sandbox?.setup != nil, node.state.level >= 4, let newest = current.attempts.last,
            newest.startedAt != nil, newest.outcome == nil, newest.setup == nil
        else { return nil }
        return node.views.nodeName(newest.node)
    }

    private func placed(_ attempt: Attempt, _ current: TaskRecord) -> AttemptPlaced {
        let before = current.attempts.last { $0.number < attempt.number }
        var sinceLoss: UInt64?
        if let before, before.outcome == .lost, let started = attempt.startedAt, let lost = before.endedAt {
            let silence = node.silenceAtLoss[before.node] ?? .zero
            sinceLoss = UInt64(max(0, (started - lost + silence.nanoseconds) / 1_000_000))
        }
        return AttemptPlaced(
            number: attempt.number, node: node.views.nodeName(attempt.node),
            gpus: node.views.gpus(attempt).map(GPUText.one), resumesFrom: attempt.resumedFrom,
            millisecondsSinceLoss: sinceLoss, memoryBytes: attempt.memoryBytes)
    }

    // MARK: Output

    private func startPump(_ attempt: Attempt) {
        guard attempt.number > pumped else { return }
        pump?.cancel()
        pumped = attempt.number
        pumpIsDone = false
        pumpHasFailed = false
        let key = AttemptKey(task, attempt: attempt.number)
        let place = cursor.attempt == attempt.number ? cursor.place : nil
        // Who looks on has seen what there was when the node was lost.
        let request = OutputRequest(
            key: key, node: attempt.node, place: place, follow: true, tailLines: fromNow ? 0 : nil, takesCopy: false)
        fromNow = false
        pump = node.loop.spawn("output of \(job)") { [self] in
            var hasFailed = false
            do {
                try await node.output.read(request) { [self] chunk in try await events.send(.output(chunk)) }
            } catch {
                hasFailed = true
                node.log.note(
                    "the output of attempt \(key.attempt) of job \(job) broke off: \(APIFailure(error).message)")
            }
            guard pumped == attempt.number else { return }
            pumpIsDone = true
            pumpHasFailed = hasFailed
            pumpEnded.notify()
        }
    }

    /// Its host could not start it, so there is no output to miss.
    private func neverBegan(_ attempt: Attempt) -> Bool {
        guard attempt.startedAt == nil, case .hostFailed? = attempt.outcome else { return false }
        return true
    }

    /// Waits until the output of the last attempt has been copied, and says where it is if that takes too long.
    private func drain(_ current: TaskRecord) async throws {
        let newest = current.attempts.last.flatMap { $0.outcome == .lost ? nil : $0 }
        if let newest { startPump(newest) }
        let deadline = node.loop.now + FollowSession.outputPatience
        while !pumpIsDone, node.loop.now < deadline {
            do { try await pumpEnded.wait(until: deadline) } catch { break }
        }
        if let newest, !pumpIsDone || pumpHasFailed, !neverBegan(newest) {
            try await events.send(.outputMissing(node: node.views.nodeName(newest.node)))
        }
    }
}
