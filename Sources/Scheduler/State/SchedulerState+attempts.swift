import Codec

/// The life of an attempt: placed, reported, ended, given up; and of the nodes that run them.
extension SchedulerState {
    /// Void where the state moved on since the leader decided: never a second attempt beside a live one, never more
    /// on a node than it has.
    mutating func place(_ placement: Placement, _ events: inout [StateEvent]) {
        let key = placement.attempt
        guard let job = jobRows.find(key.job), key.task < jobRows[job].tasks.count,
            jobRows[job].cancelRequestedBy == nil, jobRows[job].pausedBy == nil,
            jobRows[job].pending.contains(key.task),
            jobRows[job].tasks[key.task].nextAttempt == key.attempt,
            let node = nodeRows.find(placement.node), nodeRows[node].record.takesWork,
            placement.gpus.count == Int(jobRows[job].spec.value.resources.gpus),
            placement.waits ? mayWait(placement, on: node) : nodeRows[node].canHold(placement)
        else { return }
        begin(placement, of: job, on: node, turn: placement.waits ? nodeRows[node].nextTurn : nil, &events)
    }

    /// The placement is possible.
    mutating func begin(
        _ placement: Placement, of job: RowPosition, on node: RowPosition, turn: UInt64?, _ events: inout [StateEvent]
    ) {
        let key = placement.attempt
        let attempt = Attempt(
            number: key.attempt, node: placement.node, gpus: placement.gpus, cpuMillis: placement.cpuMillis,
            memoryBytes: placement.memoryBytes, placedAt: time, resumedFrom: placement.resumeFrom,
            turn: turn)
        nodeRows[node].hold(key, attempt)
        jobRows[job].tasks[key.task].attempts.append(attempt)
        if jobRows[job].tasks[key.task].attempts.count > TaskRecord.attemptsKeptMax {
            jobRows[job].tasks[key.task].attempts.removeFirst()
        }
        events.append(.attemptPlaced(key, placement.node))
        change(job, key.task, to: .placed, &events)
    }

    /// Room to wait for is there while an attempt of the job has some: it passes from one to the next.
    private func mayWait(_ placement: Placement, on node: RowPosition) -> Bool {
        placement.gpus.isEmpty && nodeRows[node].line.count < SchedulerLimits.waitingPerNodeMax
            && rooms(of: placement.attempt.job, on: nodeRows[node], atMost: 1) > 0
    }

    /// How many attempts of a job have room on a node, as far as they are counted.
    func rooms(of job: JobID, on node: NodeRow, atMost limit: Int) -> Int {
        guard let position = jobRows.find(job) else { return 0 }
        let first = node.attempts.firstIndex(notBelow: AttemptKey(job: job, task: 0, attempt: 0))
        var count = 0
        for key in node.attempts[first...] {
            guard key.job == job, count < limit else { break }
            if jobRows[position].tasks[key.task].liveAttempt?.turn == nil { count += 1 }
        }
        return count
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
            if let setup = report.setup, attempt.setup == nil { changeAttempt(job, key.task) { $0.setup = setup } }
            guard state != .running else { return }
            if attempt.startedAt == nil {
                changeAttempt(job, key.task) { $0.startedAt = max(report.at, $0.placedAt) }
                events.append(.attemptStarted(key))
            }
            change(job, key.task, to: .running, &events)
        case .ended(let outcome): end(job, key.task, outcome, at: report.at, usage: report.usage, &events)
        }
    }

    /// The leader saw the lease of a node run out and waited for the margin after it.
    mutating func nodeLost(_ id: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.presence == .present else { return }
        nodeRows[position].record.presence = .lost(since: time)
        nodeRows[position].record.absence = nil
        lostNodes.set(id, Nothing())
        events.append(.nodeChanged(id))
        sweep(id)
    }

    /// It is heard again. What it still runs for good it reports itself.
    mutating func nodeReturned(_ id: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard case .lost = nodeRows[position].record.presence else { return }
        nodeRows[position].record.presence = .present
        lostNodes.remove(id)
        sweeps.remove(id)
        events.append(.nodeChanged(id))
    }

    // MARK: Sweeps

    /// Whether entries are wanted only so that what has begun goes on.
    public var hasWorkLeft: Bool { !sweeps.isEmpty || hasJobsToForget }

    /// The attempts of this node are given up, a bounded number per entry: a node can hold many.
    mutating func sweep(_ node: NodeID) { sweeps.set(node, AttemptKey(job: 0, task: 0, attempt: 0)) }

    /// Something was asked about attempts on lost nodes: all of those are looked at again.
    mutating func sweepLostNodes() { for (node, _) in lostNodes { sweep(node) } }

    mutating func sweepSome(_ events: inout [StateEvent]) {
        var left = Self.attemptsSweptPerEntry
        while left > 0, let (node, from) = sweeps.first {
            guard let position = nodeRows.find(node) else {
                sweeps.remove(node)
                continue
            }
            let hasLeft = nodeRows[position].record.presence == .left
            let first = nodeRows[position].attempts.firstIndex(notBelow: from)
            let keys = nodeRows[position].attempts[first...].prefix(left)
            for key in keys { giveUp(key, evenIfNever: hasLeft, &events) }
            left -= max(1, keys.count)
            if let last = keys.last, left <= 0 {
                sweeps.set(node, AttemptKey(last.taskKey, attempt: last.attempt + 1))
            } else {
                sweeps.remove(node)
                if hasLeft { forgetOldDeparted() }
            }
        }
    }

    private static let attemptsSweptPerEntry = 256

    private mutating func giveUp(_ key: AttemptKey, evenIfNever: Bool, _ events: inout [StateEvent]) {
        guard let job = jobRows.find(key.job) else { return }
        giveUp(job, key.task, evenIfNever: evenIfNever, &events)
    }

    /// The node of a live attempt is lost: another attempt may follow, except for work that may never run twice, which
    /// stays unknown until its node is back.
    mutating func giveUp(_ job: RowPosition, _ index: UInt32, evenIfNever: Bool, _ events: inout [StateEvent]) {
        guard jobRows[job].tasks[index].liveAttempt != nil else { return }
        let mayNotRepeat =
            jobRows[job].spec.value.retry == .never && jobRows[job].cancelRequestedBy == nil
            && jobRows[job].gang?.value.ending == nil
        if mayNotRepeat, !evenIfNever {
            change(job, index, to: .unknown, &events)
        } else {
            end(job, index, .lost, at: time, &events)
        }
    }

    /// The one place where an attempt ends: its room is free again and the task goes where its policy says.
    private mutating func end(
        _ job: RowPosition, _ index: UInt32, _ outcome: Outcome, at: Int64, usage: AttemptUsage? = nil,
        _ events: inout [StateEvent]
    ) {
        guard let attempt = jobRows[job].tasks[index].liveAttempt else { return }
        let key = AttemptKey(job: jobRows.key(at: job), task: index, attempt: attempt.number)
        // A daemon that began after a drained one had asked it to go does not know why.
        let outcome = outcome == .cancelled && jobRows[job].cancelRequestedBy == nil ? .moved : outcome
        changeAttempt(job, index) {
            $0.outcome = outcome
            $0.endedAt = max(at, $0.startedAt ?? $0.placedAt)
            $0.usage = usage
        }
        if let node = nodeRows.find(attempt.node) {
            nodeRows[node].release(key, attempt)
            if attempt.turn == nil { handOver(attempt, of: job, on: node) }
        }
        events.append(outcome == .lost ? .attemptLost(key, attempt.node) : .attemptEnded(key, outcome))
        let next =
            jobRows[job].spec.value.gang == nil
            ? stateAfter(job, index, outcome) : stateOfRank(job, index, outcome, &events)
        if next == .failed, jobRows[job].firstFailure == nil { jobRows[job].firstFailure = outcome.exitCode }
        change(job, index, to: next, &events)
        settleGang(job, &events)
    }

    /// The room of an attempt that ended goes to the next of its job that waits for it: as it is, because its node may
    /// have let that one begin already.
    private mutating func handOver(_ room: Attempt, of job: RowPosition, on node: RowPosition) {
        guard let next = nodeRows[node].next(of: jobRows.key(at: job)),
            var heir = jobRows[job].tasks[next.task].liveAttempt
        else { return }
        nodeRows[node].release(next, heir)
        heir.turn = nil
        heir.cpuMillis = room.cpuMillis
        heir.memoryBytes = room.memoryBytes
        nodeRows[node].hold(next, heir)
        changeAttempt(job, next.task) { $0 = heir }
    }

    private mutating func stateAfter(_ job: RowPosition, _ index: UInt32, _ outcome: Outcome) -> TaskState {
        if outcome.isSuccess { return .succeeded }
        if jobRows[job].cancelRequestedBy != nil || outcome == .cancelled { return .cancelled }
        let retry = jobRows[job].spec.value.retry
        if outcome == .returned { return .pending }
        switch outcome {
        case .lost, .moved, .deviceFailed, .gangEnded: return retry == .never ? .failed : .pending
        default: break
        }
        jobRows[job].tasks[index].failures += 1
        if case .times(let count) = retry, jobRows[job].tasks[index].failures <= count { return .pending }
        return .failed
    }

    private mutating func changeAttempt(_ job: RowPosition, _ index: UInt32, _ change: (inout Attempt) -> Void) {
        let last = jobRows[job].tasks[index].attempts.count - 1
        change(&jobRows[job].tasks[index].attempts[last])
    }
}
