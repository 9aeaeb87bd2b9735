import Codec
import Scheduler

/// What people are shown of jobs, worked out from the replicated state.
struct JobViews {
    let state: SchedulerState
    /// Whether this attempt of this node stands still for want of a lease.
    let isFrozen: (AttemptKey) -> Bool

    /// At most this many tasks of an array are looked at for one line or one detail.
    private static let tasksShown: UInt32 = 1_000

    func jobs(all: Bool) -> [JobView] {
        state.jobs.reversed().filter { all || !$0.isEnded }.map(view)
    }

    func view(_ job: JobRecord) -> JobView {
        var nodes: [String] = []
        var startedAt: Int64?
        var attempts: UInt32 = 0
        var frozen = false
        var lastOutcome: Outcome?
        for (key, task) in tasks(of: job) {
            attempts = max(attempts, task.attempts.last?.number ?? 0)
            if let started = task.attempts.compactMap(\.startedAt).min() {
                startedAt = min(startedAt ?? started, started)
            }
            if let live = task.liveAttempt {
                let name = nodeName(live.node)
                if !nodes.contains(name) { nodes.append(name) }
                frozen = frozen || job.pausedBy != nil || isFrozen(AttemptKey(key, attempt: live.number))
            }
            if task.state == .failed, lastOutcome == nil { lastOutcome = task.attempts.last?.outcome }
        }
        return JobView(
            id: job.id, name: job.spec.name, user: job.spec.user, state: job.state, tasks: job.spec.tasks,
            tasksEnded: job.counts.ended, gpus: job.spec.resources.gpus, nodes: nodes, submittedAt: job.submittedAt,
            startedAt: startedAt, endedAt: job.endedAt, attempts: attempts, reason: reason(job, lastOutcome),
            exitCode: job.exitCode, frozen: frozen)
    }

    func detail(_ job: JobRecord) -> JobDetail {
        var attempts: [AttemptView] = []
        var checkpoints: [CheckpointView] = []
        var results: ResultsView?
        for (key, task) in tasks(of: job) {
            for attempt in task.attempts where attempts.count < Int(JobViews.tasksShown) {
                attempts.append(view(attempt, of: key, task))
            }
            for checkpoint in task.checkpoints {
                checkpoints.append(
                    CheckpointView(
                        task: key.index, number: checkpoint.number, attempt: checkpoint.attempt,
                        bytes: checkpoint.bytes, holders: checkpoint.holders.map(nodeName),
                        recordedAt: checkpoint.recordedAt, tree: checkpoint.tree))
            }
            if results == nil { results = task.results.map(view) }
        }
        let asked = job.spec.resources
        return JobDetail(
            view: view(job), command: job.spec.command,
            resources: ResourcesView(
                cpuMillis: asked.cpuMillis, memoryBytes: asked.memoryBytes, gpus: asked.gpus,
                gpuMemoryBytes: asked.gpuMemoryBytes),
            attempts: attempts, checkpoints: checkpoints, results: results, workingTree: job.spec.workingTree,
            gang: job.spec.gang.map { gang in
                GangView(
                    nodes: gang.nodes, tasksPerNode: gang.tasksPerNode,
                    masterAddress: job.gang?.meeting?.address, masterPort: job.gang?.meeting?.port)
            })
    }

    func view(_ results: ResultFiles) -> ResultsView {
        ResultsView(
            tree: results.tree, bytes: results.bytes, files: results.files, holders: results.holders.map(nodeName))
    }

    /// How the job ended; only of one that has.
    func ended(_ job: JobRecord) -> JobEnded {
        var failure: APIFailure?
        var attempts: UInt32 = 0
        var results: ResultsView?
        for (_, task) in tasks(of: job) {
            attempts = max(attempts, task.attempts.last?.number ?? 0)
            if results == nil { results = task.results.map(view) }
            if failure == nil, task.state == .failed, let last = task.attempts.last, let outcome = last.outcome {
                failure = OutcomeText.failure(outcome, of: job.spec, job: job.id, node: nodeName(last.node))
            }
        }
        return JobEnded(
            job: job.id, state: job.state, exitCode: job.exitCode ?? 0,
            fromJob: failure == nil && job.state != .cancelled,
            failure: failure, milliseconds: UInt64(max(0, ((job.endedAt ?? 0) - job.submittedAt) / 1_000_000)),
            attempts: attempts, results: results)
    }

    func nodeName(_ id: NodeID) -> String { state.node(id)?.name ?? id.description }

    /// The devices of an attempt, as people read them.
    func gpus(_ attempt: Attempt) -> [GPU] {
        let devices = state.node(attempt.node)?.capacity.gpus ?? []
        return devices.filter { attempt.gpus.contains($0.index) }
    }

    private func view(_ attempt: Attempt, of key: TaskKey, _ task: TaskRecord) -> AttemptView {
        let state: TaskState
        switch attempt.outcome {
        case nil: state = task.state
        case .exited(0): state = .succeeded
        case .cancelled: state = .cancelled
        default: state = .failed
        }
        return AttemptView(
            task: key.index, number: attempt.number, node: nodeName(attempt.node),
            gpus: gpus(attempt).map(GPUText.one), state: state, placedAt: attempt.placedAt,
            startedAt: attempt.startedAt, endedAt: attempt.endedAt, outcome: attempt.outcome.map(OutcomeText.short),
            exitCode: attempt.outcome?.exitCode, resumedFrom: attempt.resumedFrom, usage: attempt.usage,
            setup: attempt.setup)
    }

    private func reason(_ job: JobRecord, _ outcome: Outcome?) -> String? {
        if !job.isEnded, let person = job.pausedBy { return "paused by \(person)" }
        if !job.isEnded { return job.counts[.pending] > 0 ? Placement.reason(state, job: job.id) : nil }
        if let person = job.cancelRequestedBy, job.state == .cancelled { return "by \(person)" }
        guard let outcome, outcome != .exited(outcome.exitCode) || job.exitCode != 0 else { return nil }
        return OutcomeText.short(outcome)
    }

    private func tasks(of job: JobRecord) -> [(TaskKey, TaskRecord)] {
        (0..<min(job.spec.tasks, JobViews.tasksShown)).compactMap { index in
            let key = TaskKey(job: job.id, index: index)
            return state.task(key).map { (key, $0) }
        }
    }
}
