import Codec
import GPUBackend
import Mesh
import Scheduler

/// What somebody does with attempts that run: here, or through the member that has them. Confined to its loop.
struct HandService {
    let node: MeshNode

    /// Serves another member.
    func serve(_ stream: any MessageStream) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        switch try APIRequest(encoded: bytes) {
        case .pause:
            try requireFreezer()
            try await stream.send(APIReply.done.encoded())
        case .hand(let request):
            guard let attempt = request.attempt else { throw NodeError.malformedRequest("no attempt is named") }
            let key = AttemptKey(job: request.job, task: request.task, attempt: attempt)
            if request.isOfGang { try await node.runner.started(key) }
            try await carryOut(request, key, stream)
        default: throw NodeError.malformedRequest("expected something to do with an attempt")
        }
        await stream.finish()
    }

    /// Does it where the attempt runs, and carries what is said both ways.
    func carryOut(_ request: HandRequest, of job: JobRecord, _ stream: any MessageStream) async throws {
        guard request.task < job.spec.tasks else { throw NodeError.taskNotFound(request.job, request.task) }
        let task = TaskKey(job: request.job, index: request.task)
        guard let live = node.state.task(task)?.liveAttempt, job.pausedBy == nil else {
            throw APIFailure(.notRunning, of: AttemptKey(task, attempt: 0))
        }
        let key = AttemptKey(task, attempt: live.number)
        guard live.node != node.id else { return try await carryOut(request, key, stream) }
        var passed = request
        passed.attempt = live.number
        try await pass(passed, to: live.node, stream)
    }

    /// Starts a command for a rank of a gang on the host of another, beside the first rank there. False: the way there was
    /// lost before its end was told.
    func start(_ arguments: [String], besides first: AttemptKey, _ stream: any MessageStream) async throws -> Bool {
        guard let live = node.state.attempt(first) else { throw NodeError.gangOver(first.job) }
        let request = HandRequest(
            job: first.job, task: first.task, attempt: first.attempt, kind: .run(arguments: arguments, terminal: nil),
            isOfGang: true)
        guard live.node == node.id else { return try await pass(request, to: live.node, stream) }
        try await node.runner.started(first)
        try await carryOut(request, first, stream)
        return true
    }

    /// Whether its end was among what came back.
    @discardableResult
    private func pass(_ request: HandRequest, to peer: NodeID, _ stream: any MessageStream) async throws -> Bool {
        let there = try await node.peers.openStream(.hands, to: peer)
        defer { there.cancel() }
        try await there.send(APIRequest.hand(request).encoded())
        let forth = node.loop.spawn("hand to \(peer)") {
            do {
                while let bytes = try await stream.receive() { try await there.send(bytes) }
            } catch {
                // The other side is told by the end of the stream.
            }
            if !Task.isCancelled { there.cancel() }
        }
        defer { forth.cancel() }
        var last: [UInt8] = []
        while let bytes = try await there.receive() {
            try await stream.send(bytes)
            last = bytes
        }
        guard !last.isEmpty, case .hand(.ended) = try APIReply(encoded: last) else { return false }
        return true
    }

    private func carryOut(_ request: HandRequest, _ key: AttemptKey, _ stream: any MessageStream) async throws {
        switch request.kind {
        case .run(let arguments, let terminal):
            try await HandSession.run(arguments, terminal, of: key, keepsLeft: request.isOfGang, node, stream)
        case .input: try await InputSession.run(key, node, stream)
        case .connect(let port): try await HandConnection.run(port: port, of: key, node, stream)
        }
    }

    /// Throws where a host that runs an attempt of the job cannot hold it still so that the job does not notice.
    func requireFreezers(of job: JobRecord) async throws {
        var asked: [NodeID] = []
        for index in 0..<min(job.spec.tasks, HandService.tasksAsked) {
            guard let live = node.state.task(TaskKey(job: job.id, index: index))?.liveAttempt,
                !asked.contains(live.node)
            else { continue }
            asked.append(live.node)
            if live.node == node.id {
                try requireFreezer()
            } else if node.state.isPresent(live.node) {
                try await ask(live.node, .pause(PauseRequest(job: job.id, isPaused: true)))
            }
        }
    }

    /// Of an array, so many tasks are looked at.
    private static let tasksAsked: UInt32 = 1_000

    private func requireFreezer() throws {
        guard node.host.capabilities.freezesByCgroup else { throw NodeError.noFreezer(node.views.nodeName(node.id)) }
    }

    private func ask(_ peer: NodeID, _ request: APIRequest) async throws {
        let stream = try await node.peers.openStream(.hands, to: peer)
        defer { stream.cancel() }
        try await stream.send(request.encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        if case .failure(let failure) = try APIReply(encoded: bytes) { throw failure }
    }
}
