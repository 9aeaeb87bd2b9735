/// What the state holds of a job.
struct JobRow: Sendable {
    /// Never changes, and is large: shared by every copy of the row.
    let spec: Shared<JobSpec>
    let submittedAt: Int64
    var endedAt: Int64?
    /// Exit code of the first task that failed.
    var firstFailure: Int32?
    var cancelRequestedBy: String?
    /// Its tasks get no place meanwhile, and those that have one stand still.
    var pausedBy: String?
    /// The newest try of a gang. Most jobs are none: a pointer instead of room for it in every row.
    var gang: Shared<GangRecord>?
    var tasks: TaskTable
    /// How many tasks are in each state. Derived from `tasks`.
    var counts: TaskCounts
    /// The tasks that wait for a place. Derived from `tasks`.
    var pending: IndexRanges

    init(spec: JobSpec, submittedAt: Int64) {
        self.spec = Shared(spec)
        self.submittedAt = submittedAt
        tasks = TaskTable(count: spec.tasks)
        counts = TaskCounts()
        counts[.pending] = spec.tasks
        pending = IndexRanges(0..<spec.tasks)
    }

    /// Works out `counts` and `pending` from the tasks.
    mutating func countTasks() {
        counts = TaskCounts()
        pending = IndexRanges()
        var next: UInt32 = 0
        for page in tasks.pages {
            let end = min(next + UInt32(TaskTable.pageRows), tasks.count)
            if page.isEmpty { countWaiting(next..<end) }
            for (row, task) in page.enumerated() {
                let index = next + UInt32(row)
                if task.state == .pending { countWaiting(index..<index + 1) } else { counts[task.state] += 1 }
            }
            next = end
        }
        countWaiting(next..<tasks.count)
    }

    private mutating func countWaiting(_ range: Range<UInt32>) {
        counts[tasks.waiting] += UInt32(range.count)
        if tasks.waiting == .pending { pending.insert(range) }
    }

    func record(id: JobID) -> JobRecord {
        var exitCode: Int32?
        if endedAt != nil {
            exitCode = firstFailure ?? (counts[.cancelled] > 0 ? Outcome.cancelled.exitCode : 0)
        }
        return JobRecord(
            id: id, spec: spec.value, submittedAt: submittedAt, endedAt: endedAt, counts: counts, exitCode: exitCode,
            cancelRequestedBy: cancelRequestedBy, pausedBy: pausedBy, gang: gang?.value)
    }
}
