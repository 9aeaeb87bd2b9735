import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler
import Tokens

/// What callers ask of the daemon itself; the rest goes to the mesh it is in.
extension Daemon {
    func answer(_ request: APIRequest, _ caller: RequestHandler.Caller, _ stream: any MessageStream) async throws {
        func reply(_ reply: APIReply) async throws { try await stream.send(reply.encoded()) }
        switch request {
        case .version: try await reply(.version(Version.text))
        case .status: try await reply(.status(status()))
        case .doctor: try await reply(.doctor(await Doctor(daemon: self).checks()))
        case .doctorPeer(let name):
            guard let node else { throw isStartingAnew ? NodeError.stopping : NodeError.notInMesh }
            try await reply(.doctor(try await PeerDoctor(node: node).checks(of: name)))
        case .up(let request):
            try requireAdministrator(caller)
            let founded = try await found(request)
            var status = status(founded: founded)
            status.notApplied = settings.differences(to: request)
            try await reply(.status(status))
        case .join(let request):
            try requireAdministrator(caller)
            let milliseconds = try await join(request) { progress in
                try await reply(.joining(progress))
                guard !request.trustFirstUse else { return }
                // The person who compares the fingerprints says yes by the same request with its mark set.
                guard let answer = try await stream.receive(),
                    case .join(let confirmed) = try APIRequest(encoded: answer),
                    confirmed.trustFirstUse
                else { throw NodeError.meshNotConfirmed }
            }
            var status = status(joinMilliseconds: milliseconds)
            let asked = request.nodeName ?? host.name
            if milliseconds != nil, status.nodeName != asked { status.nameTaken = asked }
            try await reply(.status(status))
        case .leave(let request):
            try requireAdministrator(caller)
            try await leave(request)
            try await reply(.done)
        default:
            guard let node else { throw isStartingAnew ? NodeError.stopping : NodeError.notInMesh }
            if let failure = node.reasonOfFailure { throw failure }
            try await RequestHandler(node: node, caller: caller, stream: stream).answer(request)
        }
    }

    private func requireAdministrator(_ caller: RequestHandler.Caller) throws {
        guard caller.isAdministrator else {
            throw NodeError.notAdministrator(user: caller.name, node: node?.membership.nodeName ?? host.name)
        }
    }

    func status(founded: Bool = false, joinMilliseconds: UInt64? = nil) -> StatusView {
        let membership = node?.membership
        var view = StatusView(
            version: Version.text, inMesh: node != nil, meshName: membership?.meshName,
            meshFingerprint: membership?.fingerprint,
            nodeName: node.flatMap { $0.state.node($0.id)?.name } ?? membership?.nodeName,
            shortID: identity.publicKey.id.short, cpus: UInt32(clamping: host.capacity.cpuMillis / 1_000),
            memoryBytes: host.capacity.memoryBytes, gpus: host.capacity.gpus, addresses: addresses,
            backend: loop.backend.rawValue, backendReason: loop.fallbackReason,
            weaker: host.capabilities.warnings + datagramWarning + [node?.clockWarning].compactMap { $0 },
            joinMilliseconds: joinMilliseconds, founded: founded,
            leader: node.flatMap { node in node.driver.core.raft.leader.map(node.views.nodeName) },
            process: Int64(getpid()))
        view.interface = HostAddresses.interface(in: settings.listen)
        view.program = host.program.digest
        view.failure = node?.reasonOfFailure.map { APIFailure($0).message }
        return view
    }

    private var datagramWarning: [String] {
        datagramPort == nil ? ["the port is taken for UDP: gossip goes over TCP"] : []
    }
}
