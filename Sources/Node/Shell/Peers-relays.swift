import Codec
import Mesh
import Ring

// Members that cannot be reached directly: sessions with them go through a member that both reach.
extension Peers {
    private static let relayPauseMin = Interval.seconds(1)
    private static let relayPauseMax = Interval.seconds(30)
    /// Relays asked for one session.
    private static let relaysAsked = 3

    /// Where a session through a relay leads, as an address.
    static func address(ofRelay id: NodeID) -> SocketAddress { .unix("relay \(id.rawValue)") }

    /// Through whom a session goes; nil for a direct one.
    static func relay(of session: Session) -> NodeID? {
        guard case .unix(let path) = session.address, path.hasPrefix("relay "), let number = UInt64(path.dropFirst(6))
        else { return nil }
        return NodeID(number)
    }

    /// Through whom the session for messages with a member goes; nil where it is direct, or there is none.
    func relay(to id: NodeID) -> NodeID? { peers[id]?.session.flatMap(Peers.relay) }

    /// Whether there is a session with the member that needs nobody else.
    func isDirect(_ id: NodeID) -> Bool { peers[id]?.session.map { Peers.relay(of: $0) == nil } ?? false }

    /// A failure that another way may not have.
    static func isOfTheWay(_ error: any Error) -> Bool {
        switch error {
        case MeshError.refusedByPeer, MeshError.peerRejected, MeshError.busy, NodeError.meshRecovered: false
        default: true
        }
    }

    // MARK: At either end

    /// A session through a member that reaches both; `failure`, where nobody does.
    func connectRelayed(_ peer: Peer, purpose: SessionPurpose, instead failure: any Error) async throws -> Session {
        guard loop.now >= peer.relayAgain else { throw failure }
        for relay in relays(for: peer) {
            do {
                let session = try await connect(peer, purpose, through: relay)
                peer.relayFailures = 0
                return session
            } catch {
                guard Peers.isOfTheWay(error) else { throw error }
            }
        }
        peer.relayFailures += 1
        let pause = Peers.relayPauseMin * (1 << Int64(min(peer.relayFailures - 1, 5)))
        peer.relayAgain = loop.now + min(pause, Peers.relayPauseMax)
        throw failure
    }

    /// Who may be asked, the one that serves already first, then the nearest.
    private func relays(for peer: Peer) -> [NodeID] {
        let present = peer.session.flatMap(Peers.relay)
        func rank(_ id: NodeID) -> (Int, Int64) {
            (id == present ? 0 : 1, roundTrip(to: id)?.nanoseconds ?? .max)
        }
        let able = peers.keys.sorted().filter { $0 != peer.id && isDirect($0) }
        return Array(able.sorted { rank($0) < rank($1) }.prefix(Peers.relaysAsked))
    }

    private func connect(_ peer: Peer, _ purpose: SessionPurpose, through relay: NodeID) async throws -> Session {
        guard let carrier = session(with: relay) else { throw MeshError.closed }
        let stream = try await carrier.openStream(StreamKind.relay.rawValue, class: Peers.relayClass(of: purpose))
        let patience = loop.schedule(at: loop.after(Peers.dialDeadline)) { stream.cancel() }
        do {
            try await stream.send(RelayRequest(peer.id, purpose).encoded)
            guard let bytes = try await stream.receive(), let answer = RelayAnswer(decoding: bytes) else {
                throw MeshError.disconnected
            }
            if case .refused(let reason) = answer { throw MeshError.connectFailed("relay \(relay)", reason) }
            loop.cancel(patience)
        } catch {
            loop.cancel(patience)
            stream.cancel()
            throw error
        }
        let socket: Int32
        do { socket = try RelayPipe.open(loop, stream) } catch {
            stream.cancel()
            throw error
        }
        let configuration = configuration(for: peer, purpose)
        do {
            let session = try await Session.connect(
                loop, over: socket, to: Peers.address(ofRelay: relay), remoteKey: peer.noiseKey, configuration,
                deadline: loop.after(Peers.dialDeadline))
            return try checked(session, of: peer)
        } catch MeshError.versionUnknown(let version) {
            // It has not this cipher: the next try is with the one that everybody has.
            peer.suites = [.chaChaPoly]
            throw MeshError.versionUnknown(version)
        }
    }

    /// A member that relays says that somebody wants a session with this node.
    func takeRelayed(_ stream: any MessageStream, through relay: NodeID) async throws {
        guard let bytes = try await stream.receive(), let request = RelayRequest(decoding: bytes),
            peers[request.member] != nil, let onRelayed
        else { return stream.cancel() }
        onRelayed(try RelayPipe.open(loop, stream), Peers.address(ofRelay: relay))
    }

    /// Where a relayed session can be replaced by a direct one, it is.
    func seekDirect(_ id: NodeID) {
        guard let peer = peers[id], peer.session != nil, !isDirect(id), !peer.isDialling, loop.now >= peer.directAgain
        else { return }
        peer.isDialling = true
        loop.spawn("dial \(id) without a relay") { [self] in
            defer { peer.isDialling = false }
            do {
                adopt(try await connectDirect(peer, purpose: .messages), of: peer, isDialled: true)
            } catch {
                peer.directAgain = loop.now + Peers.unreachablePatience
            }
        }
    }

    // MARK: In the middle

    /// A stream to a member that is to carry somebody else's session.
    func openRelayed(to id: NodeID, for purpose: SessionPurpose) async throws -> any MessageStream {
        guard isDirect(id), let session = peers[id]?.session else { throw MeshError.closed }
        return try await session.openStream(StreamKind.relayed.rawValue, class: Peers.relayClass(of: purpose))
    }

    /// Other members' votes and leases go behind our own, and before files.
    private static func relayClass(of purpose: SessionPurpose) -> TrafficClass {
        purpose == .messages ? .log : .bulk
    }
}
