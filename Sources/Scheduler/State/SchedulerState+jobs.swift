import Codec

/// The life of a job: submitted, cancelled, ended, forgotten.
extension SchedulerState {
    mutating func submit(_ spec: JobSpec, _ events: inout [StateEvent]) throws(SchedulerError) -> JobID {
        guard let program = spec.command.first, !program.isEmpty else { throw .noCommand }
        guard spec.tasks > 0 else { throw .noTasks }
        guard spec.tasks <= JobSpec.tasksMax else { throw .tooManyTasks(spec.tasks) }
        if let gang = spec.gang {
            guard gang.ranks == spec.tasks, !spec.isArray else { throw .badGang("its tasks are not its ranks") }
            guard spec.tasks == 1 || spec.hasNetwork else { throw .gangWithoutNetwork }
        }
        let bytes = spec.encoded().count
        guard bytes <= SchedulerLimits.specBytesMax else { throw .tooLarge(bytes: bytes) }
        guard jobRows.count - endedOrder.count < SchedulerLimits.unfinishedJobsMax,
            unfinishedTasks + Int(spec.tasks) <= SchedulerLimits.unfinishedTasksMax
        else { throw .queueFull }
        if !spec.allowPending, let refusal = Fit.refusal(of: spec, by: self) { throw refusal }
        let job = nextJob
        if let pass = spec.guest {
            try checkQuota(of: pass)
            try spend(pass, on: job, &events)
        }
        nextJob += 1
        jobRows.set(job, JobRow(spec: spec, submittedAt: time))
        waiting.set(job, Nothing())
        pendingCount += Int(spec.tasks)
        unfinishedTasks += Int(spec.tasks)
        countGuestJob(spec, 1)
        if let tree = spec.workingTree {
            var row = treeRows[tree] ?? TreeRow(holders: [], jobs: 0)
            row.holders.insertSorted(spec.submitNode)
            row.jobs += 1
            treeRows.set(tree, row)
        }
        events.append(.jobSubmitted(job))
        return job
    }

    /// Tasks that wait end at once, whatever their number; those of lost nodes with the sweep; the others when their node
    /// reports.
    mutating func cancel(_ id: JobID, by person: String, _ events: inout [StateEvent]) throws(SchedulerError) {
        guard let job = jobRows.find(id) else { throw .jobNotFound(id) }
        guard jobRows[job].endedAt == nil else { throw .jobEnded(id, jobRows[job].counts.summary) }
        guard jobRows[job].cancelRequestedBy == nil else { return }
        jobRows[job].cancelRequestedBy = person
        jobRows[job].pausedBy = nil
        events.append(.cancelRequested(id))
        cancelWaiting(job, &events)
        if jobRows[job].counts[.unknown] > 0 { sweepLostNodes() }
    }

    /// Tasks that wait get no place while the job is paused; those that have one keep it, and their nodes hold them still.
    mutating func pause(
        _ id: JobID, by person: String?, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        guard let job = jobRows.find(id) else { throw .jobNotFound(id) }
        guard jobRows[job].endedAt == nil else { throw .jobEnded(id, jobRows[job].counts.summary) }
        guard (jobRows[job].pausedBy == nil) != (person == nil) else { return }
        jobRows[job].pausedBy = person
        if person == nil, !jobRows[job].pending.isEmpty { waiting.set(id, Nothing()) } else { waiting.remove(id) }
        events.append(.pauseChanged(id))
    }

    private mutating func cancelWaiting(_ job: RowPosition, _ events: inout [StateEvent]) {
        jobRows[job].tasks.cancelWaiting()
        let cancelled = jobRows[job].counts[.pending]
        guard cancelled > 0 else { return }
        let id = jobRows.key(at: job)
        jobRows[job].counts[.pending] = 0
        jobRows[job].counts[.cancelled] += cancelled
        jobRows[job].pending = IndexRanges()
        pendingCount -= Int(cancelled)
        waiting.remove(id)
        events.append(.waitingTasksCancelled(id))
        endIfDone(job, &events)
    }

    /// The one place where a task changes its state, so that counts and queues always agree with it.
    mutating func change(_ job: RowPosition, _ index: UInt32, to state: TaskState, _ events: inout [StateEvent]) {
        let old = jobRows[job].tasks[index].state
        guard old != state else { return }
        let id = jobRows.key(at: job)
        jobRows[job].tasks[index].state = state
        jobRows[job].counts[old] -= 1
        jobRows[job].counts[state] += 1
        if old == .pending {
            jobRows[job].pending.remove(index)
            pendingCount -= 1
            if jobRows[job].pending.isEmpty { waiting.remove(id) }
        }
        if state == .pending {
            if jobRows[job].pending.isEmpty, jobRows[job].pausedBy == nil { waiting.set(id, Nothing()) }
            jobRows[job].pending.insert(index)
            pendingCount += 1
        }
        let key = TaskKey(job: id, index: index)
        let attempt = jobRows[job].tasks[index].attempts.last.map { AttemptKey(key, attempt: $0.number) }
        events.append(.taskChanged(key, state, attempt))
        if state.isEnded { endIfDone(job, &events) }
    }

    private mutating func endIfDone(_ job: RowPosition, _ events: inout [StateEvent]) {
        let tasks = jobRows[job].tasks.count
        guard jobRows[job].endedAt == nil, jobRows[job].counts.ended == tasks else { return }
        jobRows[job].endedAt = time
        let id = jobRows.key(at: job)
        appendEnded(id)
        endedTasks += Int(tasks)
        unfinishedTasks -= Int(tasks)
        countGuestJob(jobRows[job].spec.value, -1)
        events.append(.jobEnded(id))
    }

    /// Whether the oldest ended job is too old, or ended jobs are too many.
    var hasJobsToForget: Bool {
        guard let (_, id) = endedOrder.first, let job = jobRows.find(id) else { return false }
        return (jobRows[job].endedAt ?? time) < time - retention.nanoseconds
            || endedOrder.count > retention.jobs || endedTasks > SchedulerLimits.endedTasksMax
    }

    /// Ended jobs leave when they are old or many, a few per entry.
    mutating func forgetOldJobs(_ events: inout [StateEvent]) {
        var forgotten = 0
        while forgotten < SchedulerLimits.forgottenPerEntryMax, hasJobsToForget,
            let (number, id) = endedOrder.first, let row = jobRows.remove(id)
        {
            endedOrder.remove(number)
            endedTasks -= Int(row.tasks.count)
            archivedCount += 1
            // It goes whole to who keeps it: letting a million tasks go takes longer than an entry may.
            archived.append(ArchivedJob(number: archivedCount, id: id, row: row))
            if let tree = row.spec.value.workingTree { releaseTree(tree) }
            events.append(.jobForgotten(id))
            forgotten += 1
        }
    }
}
