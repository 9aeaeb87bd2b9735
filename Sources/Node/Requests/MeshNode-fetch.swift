import Codec
import Mesh
import Scheduler

/// Files that tasks left: recorded results, or paths in the directory where a task ran.
extension MeshNode {
    /// Brings what is asked for here; the answer is its tree. `state` knows the job.
    func fetch(_ request: FetchRequest, in state: SchedulerState) async throws -> Digest {
        guard let task = state.task(TaskKey(job: request.job, index: request.task)) else {
            throw NodeError.taskNotFound(request.job, request.task)
        }
        guard let path = request.path else {
            guard let results = task.results else { throw NodeError.noResults(request.job) }
            guard isKept(results, of: request.job, in: state) else { throw NodeError.resultsGone(request.job) }
            try await files.bring(results.tree, what: "the results of job \(request.job)") { results.holders }
            return results.tree
        }
        if let results = task.results, isKept(results, of: request.job, in: state),
            let found = try await fetch(path, fromResults: results, of: request.job)
        {
            return found
        }
        guard let attempt = task.attempts.last else { throw NodeError.nothingToFetch(request.job, path: path) }
        let key = AttemptKey(job: request.job, task: request.task, attempt: attempt.number)
        if attempt.node == id { return try await collect(path, of: key) }
        return try await fetch(path, of: key, from: attempt.node)
    }

    /// Not where every member that had them has let them go.
    private func isKept(_ results: ResultFiles, of job: JobID, in state: SchedulerState) -> Bool {
        results.holders.isEmpty
            || results.holders.contains { !Retention.overdueResults(of: $0, in: state).contains(job) }
    }

    /// The part of the results below a path, if it is there.
    private func fetch(_ path: String, fromResults results: ResultFiles, of job: JobID) async throws -> Digest? {
        let name = MeshNode.relative(path)
        guard !name.isEmpty else { return nil }
        try await files.bring(results.tree, what: "the results of job \(job)") { results.holders }
        return try await trees.perform { store in
            guard let part = try store.manifest(results.tree).part(at: name) else { return nil }
            let root = try store.put(part)
            try store.commit()
            return root
        }
    }

    private func collect(_ path: String, of key: AttemptKey) async throws -> Digest {
        let directory = AttemptPlan.workingDirectory(key, in: self.directory)
        let name = MeshNode.relative(path)
        let parent = name.split(separator: "/").dropLast().joined(separator: "/")
        guard !name.split(separator: "/").contains("..") else {
            throw NodeError.nothingToFetch(key.job, path: path)
        }
        return try await trees.perform { store in
            let collected = try TreeCollector(patterns: name.isEmpty ? [] : [name]).collect(directory, into: store)
            guard name.isEmpty || !collected.manifest.entries.isEmpty else {
                throw NodeError.nothingToFetch(key.job, path: path)
            }
            try store.commit()
            guard let part = parent.isEmpty ? collected.manifest : collected.manifest.part(at: name) else {
                throw NodeError.nothingToFetch(key.job, path: path)
            }
            let root = try store.put(part)
            try store.commit()
            return root
        }
    }

    private func fetch(_ path: String, of key: AttemptKey, from peer: NodeID) async throws -> Digest {
        let stream = try await peers.openStream(.files, to: peer)
        let request = FetchRequest(job: key.job, task: key.task, path: path, attempt: key.attempt)
        try await stream.send(APIRequest.fetch(request).encoded())
        guard let bytes = try await stream.receive() else {
            throw NodeError.holderUnreachable(what: path, holders: [views.nodeName(peer)])
        }
        switch try APIReply(encoded: bytes) {
        case .failure(let failure): throw failure
        case .transfer(.wantManifest(let root)):
            await stream.finish()
            try await files.bring(root, what: path) { [peer] }
            return root
        default: throw NodeError.malformedRequest("an answer that names no files")
        }
    }

    /// Serves another node that asks for files of an attempt that ran here, or has some for it.
    func serveFiles(_ stream: any MessageStream, from member: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        let asked = try APIRequest(encoded: bytes)
        if case .put(let request) = asked { return try await servePut(request, stream, from: member) }
        guard case .fetch(let request) = asked, let attempt = request.attempt, let path = request.path else {
            throw NodeError.malformedRequest("expected a request for files")
        }
        let root = try await collect(path, of: AttemptKey(job: request.job, task: request.task, attempt: attempt))
        try await stream.send(APIReply.transfer(.wantManifest(root)).encoded())
        await stream.finish()
    }

    private static func relative(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }.joined(separator: "/")
    }
}

extension Manifest {
    /// What is at a path, named as its last component; nil if nothing is.
    func part(at path: String) -> Manifest? {
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        let prefix = parent.isEmpty ? "" : parent + "/"
        let taken = entries.filter { $0.path == path || $0.path.hasPrefix(path + "/") }
            .map { Entry(path: String($0.path.dropFirst(prefix.count)), content: $0.content) }
        guard !taken.isEmpty else { return nil }
        do { return try Manifest(entries: taken) } catch { return nil }
    }
}
