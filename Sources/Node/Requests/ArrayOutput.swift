import Codec
import Ring
import Scheduler

/// One caller that follows an array: the output of its tasks in the order of their numbers, of each as soon as it has
/// ended, so that the output of two runs can be compared and nobody waits for the last task to see the first.
struct ArrayOutput {
    let node: MeshNode
    let job: JobID

    /// Tasks after which others get their turn on the loop.
    private static let tasksAtOnce: UInt32 = 32

    /// Tells everything until the job has ended.
    func run(from first: UInt32, _ send: (FollowEvent) async throws -> Void) async throws {
        guard let tasks = node.state.job(job)?.spec.tasks else { throw NodeError.jobNotFound(job) }
        for index in first..<max(first, tasks) {
            try await give(try await ended(TaskKey(job: job, index: index)), index, send)
            if index % Self.tasksAtOnce == 0 { try await node.loop.sleep(for: .zero) }
        }
        while true {
            guard let record = node.state.job(job) else { throw NodeError.jobNotFound(job) }
            if record.isEnded { return try await send(.ended(node.views.ended(record))) }
            try await wait()
        }
    }

    private func ended(_ key: TaskKey) async throws -> TaskRecord {
        while true {
            guard let task = node.state.task(key) else { throw NodeError.jobNotFound(job) }
            if task.state.isEnded { return task }
            try await wait()
        }
    }

    private func wait() async throws {
        guard node.isRunning else { throw NodeError.stopping }
        try await node.driver.changes.wait()
    }

    private func give(_ task: TaskRecord, _ index: UInt32, _ send: (FollowEvent) async throws -> Void) async throws {
        guard let attempt = task.attempts.last, attempt.startedAt != nil else { return }
        let wanted = OutputRequest(
            key: AttemptKey(job: job, task: index, attempt: attempt.number), node: attempt.node, place: nil,
            follow: false, tailLines: nil)
        var isTold = false
        try await node.output.read(wanted) { chunk in
            if !isTold { try await send(.task(index)) }
            isTold = true
            try await send(.output(chunk))
        }
    }
}
