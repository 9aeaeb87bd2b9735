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
        default: throw NodeError.malformedRequest("expected something to do with an attempt")
        }
        await stream.finish()
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
