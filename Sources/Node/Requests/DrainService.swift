import Codec
import Ring
import Scheduler

/// Drains a node, tells what becomes of its work, and waits until it is gone. Confined to its loop.
struct DrainService {
    let node: MeshNode
    let asker: Asker

    /// A node that is to take over a seat may have to catch up first.
    private static let seatPatience = Interval.seconds(15)

    private var state: SchedulerState { node.state }

    func carryOut(_ request: DrainRequest, tell: (DrainView) async throws -> Void) async throws {
        let member = try MemberViews(node: node).member(named: request.node)
        let order = request.kind.map {
            DrainOrder(
                kind: $0, patience: request.patienceMilliseconds.map { Int64(clamping: $0) &* 1_000_000 },
                by: asker.name,
                reason: request.reason)
        }
        if request.kind == nil, state.node(member.nodeID)?.drain == nil { throw NodeError.notDrained(member.name) }
        let began = node.loop.now
        let before = work(of: member.nodeID, order)
        _ = try await node.driver.carryOut(.drain(member.nodeID, order), by: asker)
        func view(isOver: Bool, _ work: [DrainView.Work]) -> DrainView {
            DrainView(
                node: member.name, work: work,
                keepsSeat: order?.kind == .drain && node.driver.core.raft.membership.isVoter(member.nodeID),
                isOver: isOver, milliseconds: UInt64(max(0, (node.loop.now - began).milliseconds)))
        }
        try await tell(view(isOver: false, before))
        guard request.waits, order?.kind == .drain else { return }
        try await wait(for: member)
        try await tell(view(isOver: true, []))
    }

    /// Until nothing runs there and its seat is another node's, where there is one to take it.
    private func wait(for member: MemberView) async throws {
        while !state.attempts(on: member.nodeID).isEmpty {
            try checkOrder(member)
            try await node.driver.changes.wait()
        }
        let deadline = node.loop.after(DrainService.seatPatience)
        while node.driver.core.raft.membership.isVoter(member.nodeID) {
            try checkOrder(member)
            guard try await node.driver.changes.isNotified(before: deadline) else { return }
        }
    }

    /// Somebody else may have taken it back, or the node away.
    private func checkOrder(_ member: MemberView) throws {
        guard node.isRunning else { throw NodeError.stopping }
        guard let record = state.node(member.nodeID), record.presence != .left else {
            throw NodeError.nodeNotFound(member.name)
        }
        guard record.drain != nil else { throw NodeError.notDrained(member.name) }
    }

    /// What becomes of each attempt that runs there, by the rules of `NodeCore.stay`.
    private func work(of id: NodeID, _ order: DrainOrder?) -> [DrainView.Work] {
        guard let order, order.kind == .drain else { return [] }
        // As it will be: nothing goes back to the node itself.
        var next = state
        _ = next.apply(Entry(request: RequestID(high: 0, low: 0), time: 0, command: .drain(id, order)))
        return state.attempts(on: id).compactMap { key in
            guard let spec = state.job(key.job)?.spec, let attempt = state.attempt(key), attempt.turn == nil else {
                return nil
            }
            let target = spec.gang == nil ? Placement.room(next, for: key.taskKey) : nil
            let hasRoom = Placement.hasRoom(next, for: key.taskKey)
            let isOverdue = order.patience == 0
            let moves = spec.retry != .never && (isOverdue || spec.checkpoint != nil && hasRoom)
            var work = DrainView.Work(
                job: key.job, task: spec.isArray || spec.gang != nil ? key.task : nil,
                fate: spec.retry == .never ? .stays : moves ? .moves : .ends)
            if moves {
                work.target = target.map(node.views.nodeName)
                work.checkpointBytes = state.task(key.taskKey)?.checkpoints.last?.bytes
            }
            if let limit = spec.timeLimitMilliseconds, let started = attempt.startedAt {
                let gone = max(0, EventLoops.wallClock.nanoseconds - started) / 1_000_000
                work.endsInMilliseconds = limit > UInt64(gone) ? limit - UInt64(gone) : 0
            }
            return work
        }
    }
}
