import Codec
import Scheduler

/// What really happened, as nobody inside the mesh can know it, and the rules that no history may break.
struct MeshTruth {
    /// Starts of a process for each attempt.
    private var starts: [AttemptKey: Int] = [:]
    /// Attempts of each task that ever ran a process.
    private var attemptsStarted: [TaskKey: [AttemptKey]] = [:]
    /// How the process of an attempt ended, where it ended by itself.
    private(set) var ends: [AttemptKey: Outcome] = [:]
    /// When a job ended, as the first member said that applied its end.
    private var jobEnds: [JobID: Int64] = [:]
    private(set) var startCount = 0
    /// Until when a host that is away is waited for, in true time, and up to where the log was applied when it heard that.
    private var promises: [NodeID: (until: Instant, index: UInt64)] = [:]

    /// A process begins to run or goes on; `others` are the processes of the same task that run now elsewhere.
    func running(_ key: AttemptKey, on machine: Int, beside others: [(machine: Int, key: AttemptKey)]) -> String? {
        guard let other = others.first else { return nil }
        return "task \(name(key)) runs twice at once: attempt \(key.attempt) on host \(machine) beside attempt "
            + "\(other.key.attempt) on host \(other.machine)"
    }

    mutating func started(_ key: AttemptKey, mayBeReplaced: Bool) -> String? {
        starts[key, default: 0] += 1
        startCount += 1
        attemptsStarted[key.taskKey, default: []].append(key)
        if starts[key] != 1 { return "attempt \(key.attempt) of task \(name(key)) was started twice" }
        let attempts = attemptsStarted[key.taskKey] ?? []
        if !mayBeReplaced, attempts.count > 1 { return "task \(name(key)) may never run twice and was started again" }
        return nil
    }

    mutating func ended(_ key: AttemptKey, _ outcome: Outcome) { ends[key] = outcome }

    mutating func promised(_ id: NodeID, until: Instant, at index: UInt64) { promises[id] = (until, index) }

    /// Somebody who has applied the log up to here sees that a host is not away, or given up.
    mutating func noLongerAway(_ id: NodeID, isGivenUp: Bool, appliedIndex: UInt64, now: Instant) -> String? {
        guard let promise = promises[id], appliedIndex > promise.index else { return nil }
        promises[id] = nil
        guard isGivenUp, now < promise.until else { return nil }
        return "host \(id) is given up \((promise.until - now).milliseconds) ms before its absence is over"
    }

    mutating func jobEnded(_ job: JobID, at time: Int64) -> String? {
        if let known = jobEnds[job], known != time { return "job \(job) ended twice, at \(known) and at \(time)" }
        jobEnds[job] = time
        return nil
    }

    /// What the state says of a task when everything is over, against what its processes did.
    func contradiction(_ key: TaskKey, _ task: TaskRecord) -> String? {
        guard task.state.isEnded else { return "task \(key.job)_\(key.index) never ended: \(task.state.name)" }
        guard let last = task.attempts.last else {
            return task.state == .cancelled
                ? nil : "task \(key.job)_\(key.index) is \(task.state.name) and was never tried"
        }
        let outcome = ends[AttemptKey(key, attempt: last.number)]
        if task.state == .succeeded, outcome != .exited(0) {
            let really = outcome.map { "\($0)" } ?? "no process ended"
            return "task \(key.job)_\(key.index) is said to have succeeded, but: \(really)"
        }
        return nil
    }

    private func name(_ key: AttemptKey) -> String { "\(key.job)_\(key.task)" }
}
