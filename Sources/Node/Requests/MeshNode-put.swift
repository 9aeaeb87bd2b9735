import Codec
import Mesh
import Scheduler

/// Files that somebody puts into the working directory of an attempt that runs.
extension MeshNode {
    /// Writes a tree of this node there, wherever the attempt runs.
    func put(_ tree: Digest, _ request: PutRequest, into job: JobRecord) async throws {
        guard request.task < job.spec.tasks else { throw NodeError.taskNotFound(request.job, request.task) }
        let task = TaskKey(job: request.job, index: request.task)
        guard let live = state.task(task)?.liveAttempt else {
            throw APIFailure(.notRunning, of: AttemptKey(task, attempt: 0))
        }
        let key = AttemptKey(task, attempt: live.number)
        guard live.node != id else { return try await write(tree, into: key) }
        let stream = try await peers.openStream(.files, to: live.node)
        defer { stream.cancel() }
        let passed = PutRequest(job: key.job, task: key.task, tree: tree, attempt: key.attempt)
        try await stream.send(APIRequest.put(passed).encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        switch try APIReply(encoded: bytes) {
        case .done: return
        case .failure(let failure): throw failure
        default: throw NodeError.malformedRequest("another answer than to files")
        }
    }

    /// Serves another member that has such files.
    func servePut(_ request: PutRequest, _ stream: any MessageStream, from member: NodeID) async throws {
        guard let tree = request.tree, let attempt = request.attempt else {
            throw NodeError.malformedRequest("neither files nor an attempt")
        }
        try await files.bring(tree, what: "what is to be copied into job \(request.job)") { [member] }
        try await write(tree, into: AttemptKey(job: request.job, task: request.task, attempt: attempt))
        try await stream.send(APIReply.done.encoded())
        await stream.finish()
    }

    /// As the job's user, one name at a time and through no link: nothing outside of its directory is reached.
    private func write(_ tree: Digest, into key: AttemptKey) async throws {
        guard runner.attempts[key]?.hasStarted == true, runner.isLive(key), let plan = plan(for: key) else {
            throw APIFailure(.notRunning, of: key)
        }
        let owner = try plan.user().map { Materializer.Owner(userID: $0.user, groupID: $0.group) }
        try await files.write(tree, into: try JobDirectory.working(of: plan), owner: owner)
    }
}
