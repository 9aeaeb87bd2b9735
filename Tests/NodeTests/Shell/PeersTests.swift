import Codec
import Mesh
import Ring
import Scheduler
import Testing
import Tokens

@testable import Node

/// A member's sessions, with its listener. Confined to its loop.
private final class Side: @unchecked Sendable {
    let peers: Peers
    let relays: RelayService
    let listener: SessionListener
    let record: PeerRecord
    private let scratch: ScratchDirectory

    init(_ loop: any EventLoop, _ number: UInt64, meshKey: SigningKey) throws {
        scratch = try ScratchDirectory()
        let directory = DataDirectory(path: scratch.path + "/data")
        try directory.prepare()
        try directory.take()
        let identity = try NodeIdentity(directory, KeyLock())
        let membership = MeshMembership(
            meshName: "lab", meshKey: meshKey.publicKey, node: NodeID(number), nodeName: "n\(number)",
            certificates: try .founding(identity.publicKey, meshKey: meshKey, now: 0), isFounder: false)
        let peers = Peers(
            loop: loop, identity: identity, membership: membership, remembered: [], datagramPort: nil, log: DaemonLog())
        let configuration = SessionConfiguration(
            staticKey: identity.noiseKey, meshID: membership.meshID,
            payload: membership.credentials(identity, []).encoded(),
            validate: { peers.judge($0) })
        listener = try SessionListener(loop, .loopback(port: 0), configuration) { peers.accept($0) }
        self.peers = peers
        relays = RelayService(peers)
        let (listener, relays) = (listener, relays)
        peers.onRelayed = { listener.take($0, from: $1) }
        peers.onStream = { kind, stream, sender in
            loop.spawn("serve") {
                do {
                    switch StreamKind(rawValue: kind) {
                    case .relay: try await relays.serve(stream, from: sender)
                    case .relayed: try await peers.takeRelayed(stream, through: sender)
                    default: stream.cancel()
                    }
                } catch { stream.cancel() }
            }
        }
        record = PeerRecord(
            id: NodeID(number), noiseKey: Bytes(identity.noiseKey.publicKey), addresses: [listener.address.description])
    }
}

@Suite("Sessions between members", .timeLimit(.minutes(1)))
struct PeersTests {
    @Test("two that dial each other at the same time keep one session, the same one")
    func dialledAtOnce() async throws { try await onLoop(dialEachOther) }

    @Test("members that cannot reach each other meet through one that both reach, until they can")
    func relayed() async throws { try await onLoop(meetThroughThird) }

    @Test("who asks a member that only starts hears at once that nobody serves it")
    func askedWhileStarting() async throws { try await onLoop(askOneThatStarts) }

    @Test("a member whose addresses change while it is dialled is dialled on, and nobody falls")
    func readdressedWhileDialled() async throws { try await onLoop(dialOneThatMoves) }

    private func dialEachOther(_ loop: any EventLoop) async throws {
        let meshKey = SigningKey.generate()
        for _ in 0..<20 {
            let (one, two) = (try Side(loop, 1, meshKey: meshKey), try Side(loop, 2, meshKey: meshKey))
            one.peers.learn(two.record)
            two.peers.learn(one.record)
            one.peers.dial(NodeID(2))
            two.peers.dial(NodeID(1))
            let deadline = loop.after(.seconds(10))
            func isSettled() -> Bool {
                guard let near = one.peers.session(with: NodeID(2)), let far = two.peers.session(with: NodeID(1)) else {
                    return false
                }
                return near.handshakeHash == far.handshakeHash && one.listener.sessions + two.listener.sessions == 1
                    && one.listener.halfOpen + two.listener.halfOpen == 0
            }
            // Once before the second dial has ended, perhaps, and once after an echo over what stays.
            for _ in 0..<2 {
                while !isSettled(), loop.now < deadline { try await loop.sleep(for: .milliseconds(1)) }
                #expect(isSettled())
                #expect(try await answers(NodeID(2), to: one.peers))
            }
            await one.peers.stop()
            await two.peers.stop()
            one.listener.close()
            two.listener.close()
        }
    }

    private func askOneThatStarts(_ loop: any EventLoop) async throws {
        let meshKey = SigningKey.generate()
        let (one, two) = (try Side(loop, 1, meshKey: meshKey), try Side(loop, 2, meshKey: meshKey))
        one.peers.learn(two.record)
        two.peers.learn(one.record)
        two.peers.onStream = nil
        let stream = try await one.peers.openStream(.log, to: NodeID(2))
        await #expect(throws: MeshError.self) { try await stream.receive() }
        stream.cancel()
        for side in [one, two] {
            await side.peers.stop()
            side.listener.close()
        }
    }

    private func dialOneThatMoves(_ loop: any EventLoop) async throws {
        let meshKey = SigningKey.generate()
        for turns in 0..<30 {
            let (one, two) = (try Side(loop, 1, meshKey: meshKey), try Side(loop, 2, meshKey: meshKey))
            // Nobody listens at the first two.
            var known = two.record
            known.addresses = ["127.0.0.1:1", "127.0.0.1:2"] + two.record.addresses
            one.peers.learn(known)
            two.peers.learn(one.record)
            one.peers.dial(NodeID(2))
            // Nothing is waited for: the news comes at another moment of the dial each time.
            for _ in 0..<turns { try await loop.sleep(for: Interval(nanoseconds: 50_000)) }
            one.peers.learn(two.record)
            let deadline = loop.after(.seconds(20))
            while one.peers.session(with: NodeID(2)) == nil, loop.now < deadline {
                try await loop.sleep(for: .milliseconds(1))
                one.peers.dial(NodeID(2))
            }
            #expect(one.peers.isConnected(NodeID(2)))
            for side in [one, two] {
                await side.peers.stop()
                side.listener.close()
            }
        }
    }

    /// Asked again, because of two sessions that were dialled at once one goes, and the question in it.
    private func answers(_ id: NodeID, to peers: Peers) async throws -> Bool {
        for _ in 0..<5 where try await peers.echo(id) != nil { return true }
        return false
    }

    private func meetThroughThird(_ loop: any EventLoop) async throws {
        let meshKey = SigningKey.generate()
        var sides: [Side] = []
        for number in 1...3 as ClosedRange<UInt64> { sides.append(try Side(loop, number, meshKey: meshKey)) }
        let (one, two, middle) = (sides[0], sides[1], sides[2])
        func waitUntil(_ holds: () -> Bool) async throws {
            let deadline = loop.after(.seconds(20))
            while !holds(), loop.now < deadline { try await loop.sleep(for: .milliseconds(2)) }
            #expect(holds())
        }
        // Nobody listens at the addresses that the two know of each other.
        var (lost, alsoLost) = (one.record, two.record)
        (lost.addresses, alsoLost.addresses) = (["127.0.0.1:1"], ["127.0.0.1:1"])
        one.peers.learn(alsoLost)
        two.peers.learn(lost)
        for side in [one, two] {
            side.peers.learn(middle.record)
            middle.peers.learn(side.record)
            side.peers.start()
        }
        try await waitUntil {
            one.peers.relay(to: NodeID(2)) == NodeID(3) && two.peers.relay(to: NodeID(1)) == NodeID(3)
        }
        #expect(one.peers.isDirect(NodeID(3)) && !one.peers.isDirect(NodeID(2)))
        #expect(try await answers(NodeID(2), to: one.peers))
        #expect(one.peers.session(with: NodeID(2))?.remoteKey == two.record.noiseKey.array, "end to end")
        let pair = RelayService.Pair(NodeID(2), NodeID(1))
        let meter = try #require(middle.relays.meters[pair])
        #expect(meter.byteCount > 500 && meter.sessions >= 1)
        #expect(middle.relays.meters.count == 1)
        // The address that one learns now is right.
        one.peers.learn(two.record)
        try await waitUntil { one.peers.isDirect(NodeID(2)) && two.peers.isDirect(NodeID(1)) }
        try await waitUntil { middle.relays.meters[pair]?.sessions == 0 }
        #expect(try await answers(NodeID(1), to: two.peers))
        for side in sides {
            await side.peers.stop()
            side.listener.close()
        }
    }
}
