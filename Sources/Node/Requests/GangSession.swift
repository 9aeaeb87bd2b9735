import Codec
import Ring
import Scheduler

/// One caller that follows a gang from submit to end: what happens to it, and what all of its ranks write, as it comes.
/// Confined to its loop.
final class GangSession: @unchecked Sendable {
    private let node: MeshNode
    private let job: JobID
    private let gang: GangSpec
    private let cursors: [OutputCursor]
    private let tailLines: UInt64?
    /// What runs when it is seen first is shown from where it is, later attempts from their beginning.
    private var isFirstLook = true
    private let events: LoopQueue<FollowEvent>
    private var toldAttempt: UInt32
    private var toldEnd: UInt32
    private var toldSetup: UInt32
    private var toldReason: String?
    private var toldCheckpoint: (number: UInt64, holders: Int) = (0, 0)
    /// The newest attempt of each rank whose output is, or was, copied.
    private var pumped: [UInt32]
    private var pumps: [Task<Void, Never>] = []
    /// Ranks whose output is being copied, and those where it broke off.
    private var open = 0
    private var broken: [UInt32] = []
    private let pumpEnded: LoopSignal
    private var failure: (any Error)?

    /// After the end of a job: how long its last output may take to arrive from nodes that answer.
    private static let outputPatience = Interval.seconds(10)

    init(_ request: FollowRequest, _ gang: GangSpec, tailLines: UInt64? = nil, node: MeshNode) {
        self.node = node
        self.gang = gang
        self.tailLines = request.fromNow && request.rankCursors.isEmpty ? 0 : tailLines
        job = request.job
        cursors = request.rankCursors
        toldAttempt = request.seenAttempt
        toldSetup = request.seenAttempt
        toldEnd = request.seenAttempt == 0 ? 0 : request.seenAttempt - 1
        pumped = Array(repeating: 0, count: Int(gang.ranks))
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
            for pump in pumps { pump.cancel() }
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
            guard let state = await node.state(knowing: job), let record = state.job(job) else { return }
            let ranks = (0..<gang.ranks).compactMap { state.task(TaskKey(job: job, index: $0)) }
            guard ranks.count == Int(gang.ranks) else { return }
            try await tell(record, ranks)
            if record.isEnded {
                try await drain(ranks)
                return try await events.send(.ended(node.views(of: state).ended(record)))
            }
            try await node.driver.changes.wait()
        }
    }

    private func tell(_ record: JobRecord, _ ranks: [TaskRecord]) async throws {
        let reason = record.isEnded ? nil : Placement.reason(node.state, job: job)
        if let reason, reason != toldReason, record.state == .pending { try await events.send(.waiting(reason)) }
        toldReason = reason
        let newest = ranks[0].attempts.last?.number ?? 0
        if toldEnd < newest {
            for number in toldEnd + 1...newest {
                guard let end = end(of: number, record, ranks) else { continue }
                toldEnd = number
                try await events.send(.rankEnded(end))
            }
        }
        if newest > toldAttempt, let first = ranks[0].attempts.last, first.startedAt != nil {
            toldAttempt = newest
            try await events.send(.placed(placed(first, ranks)))
        }
        if newest > toldSetup, let first = ranks[0].attempts.last, let setup = first.setup {
            toldSetup = newest
            try await events.send(.setUp(node: node.views.nodeName(first.node), setup))
        }
        for (rank, task) in ranks.enumerated() {
            guard let attempt = task.attempts.last, attempt.startedAt != nil else { continue }
            startPump(UInt32(rank), attempt)
        }
        isFirstLook = false
        try await tellCheckpoint(ranks[0])
    }

    /// Which rank ended an attempt; nil where none has.
    private func end(of number: UInt32, _ record: JobRecord, _ ranks: [TaskRecord]) -> RankEnded? {
        guard record.cancelRequestedBy == nil else { return nil }
        // Only then is it known what becomes of the gang, and whether a host was lost.
        let hasEnded = ranks.allSatisfy { task in
            task.attempts.contains { $0.number > number || $0.number == number && $0.outcome != nil }
        }
        guard hasEnded else { return nil }
        var first: (rank: Int, attempt: Attempt, outcome: Outcome)?
        for (rank, task) in ranks.enumerated() {
            guard let attempt = task.attempts.first(where: { $0.number == number }), let outcome = attempt.outcome,
                !outcome.isSuccess, outcome != .gangEnded
            else { continue }
            let isNamed = record.gang?.attempt == number && record.gang?.ending?.rank == UInt32(rank)
            let isLost = outcome == .lost && first?.outcome != .lost
            if isNamed || isLost || first.map({ (attempt.endedAt ?? 0) < ($0.attempt.endedAt ?? 0) }) ?? true {
                first = (rank, attempt, outcome)
            }
            if isNamed { break }
        }
        guard let first else { return nil }
        let isOver = record.isEnded && ranks[0].attempts.last?.number == number
        return RankEnded(
            rank: UInt32(first.rank), node: node.views.nodeName(first.attempt.node),
            outcome: OutcomeText.short(first.outcome), nextAttempt: isOver ? nil : number + 1)
    }

    private func placed(_ attempt: Attempt, _ ranks: [TaskRecord]) -> AttemptPlaced {
        let nodes = (0..<gang.nodes).compactMap { number in
            ranks[Int(number * gang.tasksPerNode)].attempts.last.map { node.views.nodeName($0.node) }
        }
        var sinceLoss: UInt64?
        let before = ranks.compactMap { task in task.attempts.last { $0.number + 1 == attempt.number } }
        if let lost = before.first(where: { $0.outcome == .lost }), let started = attempt.startedAt,
            let lostAt = lost.endedAt
        {
            let silence = node.silenceAtLoss[lost.node] ?? .zero
            sinceLoss = UInt64(max(0, (started - lostAt + silence.nanoseconds) / 1_000_000))
        }
        return AttemptPlaced(
            number: attempt.number, node: nodes.first ?? "-", gpus: [], resumesFrom: attempt.resumedFrom,
            millisecondsSinceLoss: sinceLoss, memoryBytes: attempt.memoryBytes, nodes: nodes,
            tasksPerNode: gang.tasksPerNode)
    }

    private func tellCheckpoint(_ task: TaskRecord) async throws {
        guard let checkpoint = task.checkpoints.last else { return }
        let others = checkpoint.holders.filter { $0 != task.attempts.last?.node }
        let isNews = checkpoint.number > toldCheckpoint.number || others.count > toldCheckpoint.holders
        guard isNews, !others.isEmpty else { return }
        toldCheckpoint = (checkpoint.number, others.count)
        let holders = others.map(node.views.nodeName)
        try await events.send(
            .checkpoint(CheckpointSafe(number: checkpoint.number, bytes: checkpoint.bytes, holders: holders)))
    }

    // MARK: Output

    private func startPump(_ rank: UInt32, _ attempt: Attempt) {
        guard attempt.number > pumped[Int(rank)] else { return }
        let cursor = Int(rank) < cursors.count ? cursors[Int(rank)] : OutputCursor()
        pumped[Int(rank)] = attempt.number
        guard cursor.attempt <= attempt.number else { return }
        let key = AttemptKey(job: job, task: rank, attempt: attempt.number)
        // Who looks on has seen what there was when the node was lost.
        let request = OutputRequest(
            key: key, node: attempt.node, place: cursor.attempt == attempt.number ? cursor.place : nil, follow: true,
            tailLines: isFirstLook ? tailLines : nil, takesCopy: false)
        open += 1
        pumps.append(
            node.loop.spawn("output of rank \(rank) of \(job)") { [self] in
                do {
                    try await node.output.read(request) { [self] chunk in
                        var chunk = chunk
                        chunk.rank = rank
                        try await events.send(.output(chunk))
                    }
                } catch {
                    broken.append(rank)
                    node.log.note(
                        "the output of rank \(rank) of job \(job) broke off: \(APIFailure(error).message)")
                }
                open -= 1
                pumpEnded.notify()
            })
    }

    /// Waits until the output of the last attempt has been copied, and says where it is if that takes too long.
    private func drain(_ ranks: [TaskRecord]) async throws {
        let deadline = node.loop.now + GangSession.outputPatience
        while open > 0, node.loop.now < deadline {
            do { try await pumpEnded.wait(until: deadline) } catch { break }
        }
        for rank in broken.sorted() {
            guard let last = ranks[Int(rank)].attempts.last, last.outcome != .lost else { continue }
            return try await events.send(.outputMissing(node: node.views.nodeName(last.node)))
        }
    }
}
