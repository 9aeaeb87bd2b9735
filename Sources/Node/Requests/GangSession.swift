import Codec
import Ring
import Scheduler

/// One caller that follows a gang from submit to end: what happens to it, and what all of its ranks write, as it comes.
/// Confined to its loop.
final class GangSession: @unchecked Sendable {
    private let frame: FollowFrame
    private let node: MeshNode
    private let gang: GangSpec
    private let cursors: [OutputCursor]
    private let tailLines: UInt64?
    private let since: Int64?
    /// What runs when it is seen first is shown from where it is, later attempts from their beginning.
    private var isFirstLook = true
    private var toldAttempt: UInt32
    private var toldEnd: UInt32
    private var toldSetup: UInt32

    init(
        _ request: FollowRequest, _ gang: GangSpec, tailLines: UInt64? = nil, since: Int64? = nil, node: MeshNode
    ) {
        frame = FollowFrame(request.job, node: node)
        self.node = node
        self.gang = gang
        self.tailLines = request.fromNow && request.rankCursors.isEmpty ? 0 : tailLines
        self.since = since
        cursors = request.rankCursors
        toldAttempt = request.seenAttempt
        toldSetup = request.seenAttempt
        toldEnd = request.seenAttempt == 0 ? 0 : request.seenAttempt - 1
    }

    /// Tells everything until the job has ended.
    func run(_ send: (FollowEvent) async throws -> Void) async throws {
        try await frame.run(send) { [self] state, record in
            guard let ranks = ranks(of: state) else { return false }
            try await tell(record, ranks)
            return true
        } drain: { [self] state in
            if let ranks = ranks(of: state) { try await drain(ranks) }
        }
    }

    private func ranks(of state: SchedulerState) -> [TaskRecord]? {
        let ranks = (0..<gang.ranks).compactMap { state.task(TaskKey(job: frame.job, index: $0)) }
        return ranks.count == Int(gang.ranks) ? ranks : nil
    }

    private func tell(_ record: JobRecord, _ ranks: [TaskRecord]) async throws {
        try await frame.tellReason(record, frame.reason(isPending: record.state == .pending))
        let newest = ranks[0].attempts.last?.number ?? 0
        if toldEnd < newest {
            for number in toldEnd + 1...newest {
                guard let end = end(of: number, record, ranks) else { continue }
                toldEnd = number
                try await frame.tell(.rankEnded(end))
            }
        }
        if newest > toldAttempt, let first = ranks[0].attempts.last, first.startedAt != nil {
            toldAttempt = newest
            try await frame.tell(.placed(placed(first, ranks)))
        }
        if newest > toldSetup, let first = ranks[0].attempts.last, let setup = first.setup {
            toldSetup = newest
            try await frame.tell(.setUp(node: node.views.nodeName(first.node), setup))
        }
        for (rank, task) in ranks.enumerated() {
            guard let attempt = task.attempts.last, attempt.startedAt != nil else { continue }
            startPump(UInt32(rank), attempt)
        }
        isFirstLook = false
        try await frame.tellCheckpoint(ranks[0])
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
        let before = ranks.compactMap { task in task.attempts.last { $0.number + 1 == attempt.number } }
        return AttemptPlaced(
            number: attempt.number, node: nodes.first ?? "-", gpus: [], resumesFrom: attempt.resumedFrom,
            millisecondsSinceLoss: frame.sinceLoss(before.first { $0.outcome == .lost }, attempt),
            memoryBytes: attempt.memoryBytes, nodes: nodes, tasksPerNode: gang.tasksPerNode)
    }

    // MARK: Output

    private func startPump(_ rank: UInt32, _ attempt: Attempt) {
        guard frame.isNew(attempt, of: rank) else { return }
        let cursor = Int(rank) < cursors.count ? cursors[Int(rank)] : OutputCursor()
        guard cursor.attempt <= attempt.number else { return }
        // Who looks on has seen what there was when the node was lost.
        frame.pump(
            OutputRequest(
                key: AttemptKey(job: frame.job, task: rank, attempt: attempt.number), node: attempt.node,
                place: cursor.attempt == attempt.number ? cursor.place : nil, follow: true,
                tailLines: isFirstLook ? tailLines : nil, since: since, takesCopy: false), rank: rank)
    }

    /// Waits until the output of the last attempt has been copied, and says where it is if that takes too long.
    private func drain(_ ranks: [TaskRecord]) async throws {
        let lasting = ranks.indices.filter { ranks[$0].attempts.last?.outcome != .lost }.map { UInt32($0) }
        guard let rank = await frame.drainedBut(lasting), let last = ranks[Int(rank)].attempts.last else { return }
        try await frame.tell(.outputMissing(node: node.views.nodeName(last.node)))
    }
}
