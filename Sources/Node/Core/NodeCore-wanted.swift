import Codec
import Scheduler

/// What the state wants on this node, and what a drain of the node makes of it.
extension NodeCore {
    /// Whether somebody has put this node out of the mesh.
    public var isRevoked: Bool { state.node(id)?.revocation != nil }

    func wanted(wallClock: Int64) -> [WantedAttempt] {
        let drain = state.node(id)?.drain
        var job: (id: JobID, spec: JobSpec?, isCancelled: Bool, gangStop: AttemptStop?)?
        return state.attempts(on: id).map { key in
            if job?.id != key.job {
                let record = state.job(key.job)
                job = (key.job, record?.spec, record?.cancelRequestedBy != nil, record?.gang?.ending?.stop)
            }
            let attempt = state.attempt(key)
            return WantedAttempt(
                key: key, hasStarted: attempt?.startedAt != nil, isCancelled: job?.isCancelled ?? false,
                turn: attempt?.turn, stay: stay(of: key, job?.spec, drain, wallClock: wallClock),
                gangStop: faults.contains(.rankOutlivesGang) ? nil : job?.gangStop,
                movesAsOne: job?.spec?.gang != nil && state.level >= 5)
        }
    }

    /// Where the owner wants the host alone everything goes at once.
    ///
    /// Of a drained node, what can go on from a checkpoint goes as soon as there is room elsewhere; the rest may come to
    /// its end, but not after the deadline. What must never be repeated is never moved.
    private func stay(
        of key: AttemptKey, _ spec: JobSpec?, _ drain: DrainOrder?, wallClock: Int64
    ) -> WantedAttempt.Stay {
        guard !isClosed else { return .evicted }
        guard let drain, let spec else { return .asLongAsItTakes }
        guard drain.kind == .drain, spec.retry != .never else { return .toItsEnd }
        if let deadline = drain.deadline, deadline <= wallClock { return .over }
        guard spec.checkpoint != nil, Placement.hasRoom(state, for: key.taskKey) else { return .toItsEnd }
        return .over
    }

    /// When a drain of this node ends the patience with what still runs; nil: it does not, or has.
    var drainDeadline: Instant? {
        guard !drainIsOver, let wallClockOffset, let deadline = state.node(id)?.drain?.deadline else { return nil }
        let (nanoseconds, overflow) = deadline.subtractingReportingOverflow(wallClockOffset)
        return overflow ? nil : Instant(nanoseconds: max(0, nanoseconds))
    }
}

extension GangEnding {
    /// How the other ranks are ended: where the gang moves, in the time that it takes to save what they have done.
    var stop: AttemptStop { outcome == .moved ? .moved : .gangEnded }
}
