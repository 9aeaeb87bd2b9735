import Codec

/// The life of an attempt: placed, reported, ended, given up; and of the nodes that run them.
extension SchedulerState {
    /// Void where the state moved on since the leader decided: never a second attempt beside a live one, never more
    /// on a node than it has.
    mutating func place(_ placement: Placement, _ events: inout [StateEvent]) {
        let key = placement.attempt
        guard let job = jobRows.find(key.job), key.task < jobRows[job].tasks.count,
            jobRows[job].cancelRequestedBy == nil, jobRows[job].pending.contains(key.task),
            jobRows[job].tasks[key.task].nextAttempt == key.attempt,
            let node = nodeRows.find(placement.node), nodeRows[node].record.presence == .present,
            placement.gpus.count == Int(jobRows[job].spec.value.resources.gpus), nodeRows[node].canHold(placement)
        else { return }
        let attempt = Attempt(
            number: key.attempt, node: placement.node, gpus: placement.gpus, cpuMillis: placement.cpuMillis,
            memoryBytes: placement.memoryBytes, placedAt: time, resumedFrom: placement.resumeFrom)
        nodeRows[node].hold(key, attempt)
        jobRows[job].tasks[key.task].attempts.append(attempt)
        if jobRows[job].tasks[key.task].attempts.count > TaskRecord.attemptsKeptMax {
            jobRows[job].tasks[key.task].attempts.removeFirst()
        }
        events.append(.attemptPlaced(key, placement.node))
        change(job, key.task, to: .placed, &events)
    }

    mutating func report(_ report: AttemptReport, from node: NodeID, _ events: inout [StateEvent]) {
        let key = report.attempt
        guard let job = jobRows.find(key.job), key.task < jobRows[job].tasks.count,
            let attempt = jobRows[job].tasks[key.task].liveAttempt, attempt.number == key.attempt, attempt.node == node
        else {
            staleReports += 1
            return
        }
        let state = jobRows[job].tasks[key.task].state
        switch report.kind {
        case .preparing:
            if state == .placed || state == .unknown { change(job, key.task, to: .preparing, &events) }
        case .running:
            guard state != .running else { return }
            if attempt.startedAt == nil {
                changeAttempt(job, key.task) { $0.startedAt = max(report.at, $0.placedAt) }
                events.append(.attemptStarted(key))
            }
            change(job, key.task, to: .running, &events)
        case .ended(let outcome): end(job, key.task, outcome, at: report.at, &events)
        }
    }

    /// The leader saw the lease of a node run out and waited for the margin after it.
    mutating func nodeLost(_ id: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.presence == .present else { return }
        nodeRows[position].record.presence = .lost(since: time)
        events.append(.nodeChanged(id))
        for key in nodeRows[position].attempts { giveUp(key, on: id, evenIfNever: false, &events) }
    }

    /// It is heard again. What it still runs for good it reports itself.
    mutating func nodeReturned(_ id: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard case .lost = nodeRows[position].record.presence else { return }
        nodeRows[position].record.presence = .present
        events.append(.nodeChanged(id))
    }

    mutating func giveUp(_ key: AttemptKey, on node: NodeID, evenIfNever: Bool, _ events: inout [StateEvent]) {
        guard let job = jobRows.find(key.job) else { return }
        giveUp(job, key.task, evenIfNever: evenIfNever, &events)
    }

    /// The node of a live attempt is lost: another attempt may follow, except for work that may never run twice, which
    /// stays unknown until its node is back.
    mutating func giveUp(_ job: RowPosition, _ index: UInt32, evenIfNever: Bool, _ events: inout [StateEvent]) {
        guard jobRows[job].tasks[index].liveAttempt != nil else { return }
        let mayNotRepeat = jobRows[job].spec.value.retry == .never && jobRows[job].cancelRequestedBy == nil
        if mayNotRepeat, !evenIfNever {
            change(job, index, to: .unknown, &events)
        } else {
            end(job, index, .lost, at: time, &events)
        }
    }

    /// The one place where an attempt ends: its room is free again and the task goes where its policy says.
    private mutating func end(
        _ job: RowPosition, _ index: UInt32, _ outcome: Outcome, at: Int64, _ events: inout [StateEvent]
    ) {
        guard let attempt = jobRows[job].tasks[index].liveAttempt else { return }
        let key = AttemptKey(job: jobRows.key(at: job), task: index, attempt: attempt.number)
        changeAttempt(job, index) {
            $0.outcome = outcome
            $0.endedAt = max(at, $0.startedAt ?? $0.placedAt)
        }
        if let node = nodeRows.find(attempt.node) { nodeRows[node].release(key, attempt) }
        events.append(outcome == .lost ? .attemptLost(key, attempt.node) : .attemptEnded(key, outcome))
        let next = stateAfter(job, index, outcome)
        if next == .failed, jobRows[job].firstFailure == nil { jobRows[job].firstFailure = outcome.exitCode }
        change(job, index, to: next, &events)
    }

    private mutating func stateAfter(_ job: RowPosition, _ index: UInt32, _ outcome: Outcome) -> TaskState {
        if outcome.isSuccess { return .succeeded }
        if jobRows[job].cancelRequestedBy != nil || outcome == .cancelled { return .cancelled }
        let retry = jobRows[job].spec.value.retry
        if outcome == .lost { return retry == .never ? .failed : .pending }
        jobRows[job].tasks[index].failures += 1
        if case .times(let count) = retry, jobRows[job].tasks[index].failures <= count { return .pending }
        return .failed
    }

    private mutating func changeAttempt(_ job: RowPosition, _ index: UInt32, _ change: (inout Attempt) -> Void) {
        let last = jobRows[job].tasks[index].attempts.count - 1
        change(&jobRows[job].tasks[index].attempts[last])
    }
}
