import Codec
import Mesh
import Ring

// Round trips, one by one: a message that comes back over the session it went out on.
extension Peers {
    /// An echo that is waited for. Confined to the loop.
    final class Echo: @unchecked Sendable {
        let sentAt: Instant
        let arrived: LoopSignal
        var roundTrip: Interval?

        init(_ loop: any EventLoop) {
            sentAt = loop.now
            arrived = LoopSignal(loop)
        }
    }

    private static let echoKind: UInt16 = 3
    private static let echoAnswerKind: UInt16 = 4
    /// Tells who dialled the address that it was seen at.
    private static let seenKind: UInt16 = 5
    private static let hostBytesMax = 64
    private static let echoPatience = Interval.seconds(2)

    /// Where the session with a member leads, as this host sees it; without the port where the member dialled, because
    /// that port is nobody's. where it goes through a relay, the way to that.
    func address(of id: NodeID) -> String? {
        guard let peer = peers[id], let session = peer.session else { return nil }
        if let relay = Peers.relay(of: session) { return isDirect(relay) ? address(of: relay) : nil }
        return peer.isDialled ? session.address.description : session.address.host
    }

    /// Why a member that was dialled did not want this node.
    func refusals() -> [String] { peers.keys.sorted().compactMap { peers[$0]?.refusal } }

    /// The session for messages with a member.
    func session(with id: NodeID) -> Session? { peers[id]?.session }

    /// A session of its own with a member, dialled now at its addresses.
    func dialAnew(_ id: NodeID) async throws -> Session {
        guard let peer = peers[id] else { throw NodeError.nodeNotFound(id.description) }
        return try await connectDirect(peer, purpose: .streams)
    }

    /// The time of one round trip; nil where nothing came back in two seconds.
    func echo(_ id: NodeID) async throws -> Interval? {
        let deadline = loop.after(Peers.echoPatience)
        while peers[id]?.session == nil {
            dial(id)
            guard loop.now < deadline else { return nil }
            try await loop.sleep(for: .milliseconds(20))
        }
        guard let session = peers[id]?.session else { return nil }
        echoCount += 1
        let number = echoCount
        let echo = Echo(loop)
        echoes[number] = echo
        defer { echoes[number] = nil }
        try session.post(Peers.echoKind, (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
        while echo.roundTrip == nil {
            guard try await echo.arrived.isNotified(before: deadline) else { return nil }
        }
        return echo.roundTrip
    }

    /// True if the message was an echo or the answer to one.
    func take(_ kind: UInt16, _ bytes: [UInt8], ofEchoFrom id: NodeID) -> Bool {
        switch kind {
        case Peers.echoKind:
            guard bytes.count == 8, let session = peers[id]?.session else { return true }
            do throws(MeshError) { try session.post(Peers.echoAnswerKind, bytes) } catch {
                // A full queue: for who asked, nothing came back.
            }
            return true
        case Peers.echoAnswerKind:
            guard bytes.count == 8 else { return true }
            let number = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard let echo = echoes[number] else { return true }
            echo.roundTrip = loop.now - echo.sentAt
            echo.arrived.notify()
            return true
        case Peers.seenKind:
            if bytes.count <= Peers.hostBytesMax { onSeen?(String(decoding: bytes, as: UTF8.self)) }
            return true
        default: return false
        }
    }

    /// To a member that has dialled this node: where its session comes from.
    func tellSeen(_ session: Session) {
        do throws(MeshError) { try session.post(Peers.seenKind, Array(session.address.host.utf8)) } catch {
            // It ends; the next one tells.
        }
    }
}
