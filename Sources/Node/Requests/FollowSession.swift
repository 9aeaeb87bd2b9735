import Codec
import Mesh
import Ring
import Scheduler

/// One caller that follows one task of a job from submit to end. Confined to its loop.
///
/// It compares what the replicated state says with what it has told, so that nothing is missed whatever happened
/// between two looks, and copies the output of the newest attempt beside it.
final class FollowSession: @unchecked Sendable {
    private let frame: FollowFrame
    private let node: MeshNode
    private let task: TaskKey
    private let cursor: OutputCursor
    /// The first attempt that is seen is shown from where it is.
    private var fromNow: Bool
    private var toldAttempt: UInt32
    private var toldLost: UInt32
    private var toldSetup: UInt32
    private var toldFrozen = false
    private var toldPause: String?

    init(_ request: FollowRequest, node: MeshNode) {
        frame = FollowFrame(request.job, node: node)
        self.node = node
        task = TaskKey(job: request.job, index: request.task)
        cursor = request.cursor
        fromNow = request.fromNow && request.cursor.place == nil
        toldAttempt = request.seenAttempt
        toldLost = request.seenAttempt
        toldSetup = request.seenAttempt
    }

    /// Tells everything until the job has ended.
    func run(_ send: (FollowEvent) async throws -> Void) async throws {
        try await frame.run(send) { [self] state, record in
            guard let current = state.task(task) else { return false }
            if current.attempts.last?.startedAt == nil { fromNow = false }
            try await tell(record, current)
            return true
        } drain: { [self] state in
            if let current = state.task(task) { try await drain(current) }
        }
    }

    private func tell(_ record: JobRecord, _ current: TaskRecord) async throws {
        for attempt in current.attempts
        where (attempt.outcome == .lost || attempt.outcome == .moved) && attempt.number > toldLost {
            toldLost = attempt.number
            let next = current.state == .failed ? nil : attempt.number + 1
            try await frame.tell(
                .hostLost(
                    HostLost(
                        node: node.views.nodeName(attempt.node),
                        silentMilliseconds: UInt64(node.peers.silence(of: attempt.node).milliseconds),
                        nextAttempt: next, isDrained: attempt.outcome == .moved)))
        }
        if !record.isEnded, record.pausedBy != toldPause {
            toldPause = record.pausedBy
            try await frame.tell(.paused(by: record.pausedBy))
        }
        let setsUp = isSettingUp(record, current)
        let reason = setsUp.map { "its setup runs on \($0)" } ?? frame.reason(isPending: current.state == .pending)
        try await frame.tellReason(record, reason)
        if let newest = current.attempts.last, newest.startedAt != nil || newest.outcome != nil {
            if newest.number > toldSetup, let setup = newest.setup {
                toldSetup = newest.number
                try await frame.tell(.setUp(node: node.views.nodeName(newest.node), setup))
            }
            if newest.number > toldAttempt, newest.startedAt != nil, setsUp == nil {
                toldAttempt = newest.number
                try await frame.tell(.placed(placed(newest, current)))
            }
            startPump(newest)
        }
        try await frame.tellCheckpoint(current)
        if let live = current.liveAttempt, live.node == node.id {
            let frozen = node.runner.isFrozen(AttemptKey(task, attempt: live.number))
            if frozen != toldFrozen {
                toldFrozen = frozen
                try await frame.tell(.frozen(frozen))
            }
        }
    }

    /// The node on which its setup runs; nil where none does, or where the mesh has no words for its end.
    private func isSettingUp(_ record: JobRecord, _ current: TaskRecord) -> String? {
        guard record.spec.sandbox?.setup != nil, node.state.level >= 4, let newest = current.attempts.last,
            newest.startedAt != nil, newest.outcome == nil, newest.setup == nil
        else { return nil }
        return node.views.nodeName(newest.node)
    }

    private func placed(_ attempt: Attempt, _ current: TaskRecord) -> AttemptPlaced {
        AttemptPlaced(
            number: attempt.number, node: node.views.nodeName(attempt.node),
            gpus: node.views.gpus(attempt).map(GPUText.one), resumesFrom: attempt.resumedFrom,
            millisecondsSinceLoss: frame.sinceLoss(
                current.attempts.last { $0.number < attempt.number }, attempt), memoryBytes: attempt.memoryBytes)
    }

    // MARK: Output

    private func startPump(_ attempt: Attempt) {
        guard frame.isNew(attempt, of: task.index) else { return }
        let place = cursor.attempt == attempt.number ? cursor.place : nil
        // Who looks on has seen what there was when the node was lost.
        frame.pump(
            OutputRequest(
                key: AttemptKey(task, attempt: attempt.number), node: attempt.node, place: place, follow: true,
                tailLines: fromNow ? 0 : nil, takesCopy: false))
        fromNow = false
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
        let isWhole = await frame.drainedBut([task.index]) == nil
        if let newest, !isWhole, !neverBegan(newest) {
            try await frame.tell(.outputMissing(node: node.views.nodeName(newest.node)))
        }
    }
}
