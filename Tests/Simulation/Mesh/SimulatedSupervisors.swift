import Codec
import Scheduler

/// The supervisors of one host: processes that run under a lease page per job and outlive the daemon.
///
/// They honour the page as the real ones do: a process that may be replaced is frozen a little after its deadline
/// passes, goes on when the page moves, and dies only when the daemon says so, when its work is done, or with the host.
/// What they know they keep in a journal that also outlives the host.
struct SimulatedSupervisors {
    struct Process {
        let key: AttemptKey
        /// `--retry never`: no other attempt will ever be placed, so it runs on without a lease.
        let mayBeReplaced: Bool
        /// How it will end if nobody interferes.
        let plannedOutcome: Outcome
        var workLeft: Interval
        var isFrozen = false
        /// True time since when `workLeft` shrinks.
        var resumedAt: Instant
        var outcome: Outcome?
        /// Between the polite signal and its death.
        var dyingAt: Instant?

        var isRunning: Bool { outcome == nil && !isFrozen }
        var endsAt: Instant? {
            guard outcome == nil else { return nil }
            let done = isFrozen ? Instant.distantFuture : resumedAt + workLeft
            return min(done, dyingAt ?? .distantFuture)
        }
    }

    enum Change: Hashable {
        case started(AttemptKey)
        case frozen(AttemptKey)
        case thawed(AttemptKey)
        case ended(AttemptKey, Outcome)
    }

    /// The journal, ascending by key; ended ones stay until the daemon says that the mesh knows.
    private(set) var processes: [Process] = []
    /// Deadlines on the clock of the host, by job.
    private var pages: [JobID: Instant] = [:]
    /// How long a supervisor takes to see that a deadline passed.
    private var freezeLatency: Interval

    init(freezeLatency: Interval) { self.freezeLatency = freezeLatency }

    func process(_ key: AttemptKey) -> Process? { processes.first { $0.key == key } }
    func page(of job: JobID) -> Instant? { pages[job] }

    /// False where the page holds no lease: the real one declines then.
    mutating func start(_ process: Process, clock: SimulatedClock, now: Instant) -> Bool {
        guard let page = pages[process.key.job], clock.local(now) < page, self.process(process.key) == nil else {
            return false
        }
        let index = processes.firstIndex { process.key < $0.key } ?? processes.count
        processes.insert(process, at: index)
        return true
    }

    /// The daemon moves a page on; what was frozen there goes on.
    mutating func extend(_ job: JobID, to deadline: Instant, clock: SimulatedClock, now: Instant) -> [Change] {
        guard deadline > pages[job] ?? Instant(nanoseconds: .min) else { return [] }
        pages[job] = deadline
        guard clock.local(now) < deadline else { return [] }
        var changes: [Change] = []
        for index in processes.indices where processes[index].key.job == job && processes[index].outcome == nil {
            guard processes[index].isFrozen else { continue }
            processes[index].isFrozen = false
            processes[index].resumedAt = now
            changes.append(.thawed(processes[index].key))
        }
        return changes
    }

    /// No page holds longer than until then.
    mutating func shorten(to deadline: Instant) {
        for job in pages.keys { pages[job] = min(pages[job] ?? deadline, deadline) }
    }

    mutating func kill(_ key: AttemptKey) -> [Change] {
        guard let index = processes.firstIndex(where: { $0.key == key && $0.outcome == nil }) else { return [] }
        return [end(index, .signalled(9))]
    }

    mutating func cancel(_ key: AttemptKey, grace: Interval, now: Instant) {
        guard let index = processes.firstIndex(where: { $0.key == key && $0.outcome == nil }) else { return }
        if processes[index].dyingAt == nil { processes[index].dyingAt = now + grace }
    }

    mutating func forget(_ key: AttemptKey) { processes.removeAll { $0.key == key && $0.outcome != nil } }

    /// The host is reset: nothing runs, no page holds, the journal stays and names what has no end as lost.
    mutating func reset(freezeLatency: Interval) {
        pages = [:]
        self.freezeLatency = freezeLatency
        for index in processes.indices where processes[index].outcome == nil { processes[index].outcome = .lost }
    }

    /// What has become due by now.
    mutating func advance(clock: SimulatedClock, now: Instant) -> [Change] {
        var changes: [Change] = []
        for index in processes.indices where processes[index].outcome == nil {
            let process = processes[index]
            if let dying = process.dyingAt, dying <= now {
                changes.append(end(index, .cancelled))
            } else if !process.isFrozen, process.resumedAt + process.workLeft <= now {
                changes.append(end(index, process.plannedOutcome))
            } else if process.isRunning, process.mayBeReplaced, freezesAt(process.key.job, clock, now) <= now {
                processes[index].workLeft = max(.milliseconds(1), process.workLeft - (now - process.resumedAt))
                processes[index].isFrozen = true
                changes.append(.frozen(process.key))
            }
        }
        return changes
    }

    /// When `advance` is due next.
    func nextDeadline(clock: SimulatedClock, now: Instant) -> Instant? {
        var next: Instant?
        for process in processes {
            guard let ends = process.endsAt else { continue }
            var due = ends
            if process.isRunning, process.mayBeReplaced { due = min(due, freezesAt(process.key.job, clock, now)) }
            if due < next ?? .distantFuture { next = due }
        }
        return next
    }

    private func freezesAt(_ job: JobID, _ clock: SimulatedClock, _ now: Instant) -> Instant {
        guard let page = pages[job] else { return now }
        let passes = page + freezeLatency
        return clock.local(now) >= passes ? now : clock.trueTime(of: passes, now: now)
    }

    private mutating func end(_ index: Int, _ outcome: Outcome) -> Change {
        processes[index].outcome = outcome
        processes[index].dyingAt = nil
        return .ended(processes[index].key, outcome)
    }
}
