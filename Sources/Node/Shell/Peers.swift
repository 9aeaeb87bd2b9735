import Codec
import GPUBackend
import Mesh
import Raft
import Ring
import Scheduler
import Tokens

/// The sessions with the other members: dialled when something is to be said, accepted from keys that are members', one
/// for messages with each. Confined to its loop.
///
/// Of two sessions with the same member the one that its lower number dialled stays, unless it has gone quiet. Streams
/// of files go over sessions of their own, so that a lease never waits behind a checkpoint.
///
/// A member that does not answer at its addresses is reached through another one (`Peers-relays`).
///
/// Gossip goes by datagram where that is known to arrive (`DatagramService`), else over the session for messages.
final class Peers: @unchecked Sendable {
    var onMessage: ((NodeID, NodeMessage) -> Void)?
    /// Gossip that came by datagram.
    var onGossip: ((NodeID, SwimMessage) -> Void)?
    var onLost: ((NodeID) -> Void)?
    var onStream: ((UInt16, any MessageStream, NodeID) -> Void)?
    /// A node that is not (yet) a member has proved its key; what it may do is to ask for admission.
    var onStranger: ((Session) -> Void)?
    /// A member has seen this node at this host address.
    var onSeen: ((String) -> Void)?
    /// Why the owner of a session key is a member no more; nil where it never was one.
    var onFormerMember: (([UInt8]) -> String?)?
    /// A member lives in a later epoch of the mesh than this node.
    var onLaterEpoch: ((UInt64, NodeID) -> Void)?
    /// The key of a member is used by two processes, at these addresses.
    var onTwins: ((NodeID, [String]) -> Void)?
    /// A member says that another process goes by this node's key.
    var onTwinSaid: ((NodeID, String) -> Void)?
    /// Of this start of the daemon.
    var boot = TwinWatch.unknown
    var twinSaid: (by: NodeID, reason: String, at: Instant)?
    /// A connection through another member; it is the listener's now.
    var onRelayed: ((Int32, SocketAddress) -> Void)?

    let loop: any EventLoop
    let identity: NodeIdentity
    let membership: MeshMembership
    let log: DaemonLog
    /// While the keys of this node are rotated: some members know it by this one.
    var otherKey: NoiseKeyPair?
    /// A member has taken this node's key for its own in a session.
    var onKnown: ((NodeID, [UInt8]) -> Void)?
    /// nil where the port was not free for UDP.
    let datagrams: DatagramService?
    var peers: [NodeID: Peer] = [:]
    /// Echoes that were asked for and have not come back.
    var echoes: [UInt64: Echo] = [:]
    var echoCount: UInt64 = 0
    private var ids: [[UInt8]: NodeID] = [:]
    private var isStopped = false
    private var jitterSource = SecureRandom()

    /// The kind of the one-way messages on a session.
    static let messageKind: UInt16 = 1
    /// Packets of the datagram protocol that go through the session; members of older versions pass over them.
    static let packetKind: UInt16 = 2
    static let dialDeadline = Interval.seconds(3)
    private static let dialPauseMin = Interval.milliseconds(50)
    private static let dialPauseMax = Interval.seconds(1)
    /// A session that has been heard within this time is not replaced by a newer one of lower right.
    private static let quiet = Interval.seconds(3)
    /// How long a member that did not answer at its addresses is not dialled for a stream.
    static let unreachablePatience = Interval.seconds(60)
    /// How often members without a session are dialled although there is nothing to say.
    private static let upkeep = Interval.milliseconds(500)

    init(
        loop: any EventLoop, identity: NodeIdentity, membership: MeshMembership, remembered: [PeerRecord],
        datagramPort: DatagramPort?, log: DaemonLog
    ) {
        self.loop = loop
        self.identity = identity
        self.membership = membership
        self.log = log
        otherKey = identity.other?.noiseKey
        datagrams = datagramPort.map { port in
            DatagramService(
                loop, port: port, id: membership.node, key: identity.noiseKey, binding: membership.datagramBinding)
        }
        takeDatagrams()
        for record in remembered { learn(record) }
    }

    func start() {
        loop.spawn("peers") { [self] in
            while !isStopped {
                for id in peers.keys.sorted() {
                    if let peer = peers[id] { lookForTwins(peer) }
                    dial(id)
                    seekDirect(id)
                }
                do { try await loop.sleep(for: Peers.upkeep) } catch { return }
            }
        }
    }

    /// Says goodbye to everybody and waits until it is said; a second at most for those who do not listen.
    func stop() async {
        isStopped = true
        datagrams?.close()
        let sessions = peers.keys.sorted().compactMap { peers[$0]?.session }
        for session in sessions { session.close("the daemon stops") }
        for session in sessions {
            do { try await session.closed() } catch { return }
        }
    }

    // MARK: Who is a member

    /// Takes what the replicated state says about the other members.
    func update(_ members: [NodeRecord]) {
        for record in members {
            learn(PeerRecord(id: record.id, noiseKey: record.noiseKey, addresses: record.addresses))
        }
        for id in peers.keys.sorted() where !members.contains(where: { $0.id == id }) { forget(id) }
    }

    /// Knows a member before the state does: one that admits this node, or that was there when the mesh was switched off.
    func learn(_ record: PeerRecord) {
        guard record.id != membership.node else { return }
        let addresses = Peers.dialled(record.addresses)
        if let peer = peers[record.id] {
            if Set(peer.addresses) != Set(addresses) {
                peer.addresses = addresses
                peer.directAgain = .zero
                peer.unreachableUntil = .zero
            }
            if peer.noiseKey != record.noiseKey.array {
                ids[peer.noiseKey] = nil
                peer.noiseKey = record.noiseKey.array
                endOldSession(of: peer)
            }
        } else {
            peers[record.id] = Peer(id: record.id, noiseKey: record.noiseKey.array, addresses: addresses)
        }
        ids[record.noiseKey.array] = record.id
        learnForDatagrams(record)
    }

    /// A member has another key: it may take a moment until it goes by that.
    private func endOldSession(of peer: Peer) {
        guard let session = peer.session else { return }
        _ = loop.schedule(at: loop.after(Peers.oldKeyPatience)) { [weak session] in
            guard let session, peer.session === session, session.remoteKey != peer.noiseKey else { return }
            session.close("this key has been replaced")
        }
    }
    private static let oldKeyPatience = Interval.seconds(5)

    /// Each once, and not more than a host has: a member says by itself where it is, and could name somebody else's address
    /// a hundred times.
    private static func dialled(_ addresses: [String]) -> [String] {
        var seen = Set<String>()
        return Array(addresses.filter { seen.insert($0).inserted }.prefix(addressesMax))
    }
    private static let addressesMax = 16

    private func forget(_ id: NodeID) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        ids[peer.noiseKey] = nil
        datagrams?.forget(id)
        peer.session?.close("not a member any more")
    }

    /// The member with this session key.
    func member(noiseKey: [UInt8]) -> NodeID? { ids[noiseKey] }

    func isConnected(_ id: NodeID) -> Bool { peers[id]?.session != nil }
    func roundTrip(to id: NodeID) -> Interval? { peers[id]?.session?.roundTrip }

    /// For how long nothing has been heard from a member.
    func silence(of id: NodeID) -> Interval {
        guard let peer = peers[id], let heard = peer.heard else { return .zero }
        return loop.now - max(heard, peer.session?.lastHeard ?? .zero)
    }

    // MARK: Saying something

    /// Sends a message if there is a session, and sees to it that there will be one. What cannot be sent is lost, as on
    /// any network: every protocol above repeats what matters.
    func send(_ message: NodeMessage, to id: NodeID) {
        guard let session = peers[id]?.session else { return dial(id) }
        do {
            try session.post(Peers.messageKind, message.encoded(), class: Peers.trafficClass(of: message))
        } catch {
            // A full queue: the peer does not read. It counts as silent until it does.
        }
    }

    private static func trafficClass(of message: NodeMessage) -> TrafficClass {
        switch message {
        case .raft(let message): Peers.trafficClass(of: message)
        case .propose, .proposeAll, .refused: .log
        case .swim, .renew, .granted, .read, .readable: .control
        }
    }

    private static func trafficClass(of message: RaftMessage) -> TrafficClass {
        switch message {
        case .append: .log
        case .snapshot: .bulk
        default: .control
        }
    }

    /// A stream to another member, over a session of its own that ends with it. A member that does not answer at its
    /// addresses but has dialled this node is reached over the session for messages, behind whatever these have to say;
    /// one that has not, through a relay.
    func openStream(_ kind: StreamKind, to id: NodeID) async throws -> any MessageStream {
        guard let peer = peers[id] else { throw NodeError.nodeNotFound(id.description) }
        let isCaller = isDirect(id) && !peer.isDialled
        if isCaller, let session = peer.session, loop.now < peer.unreachableUntil {
            return try await session.openStream(kind.rawValue)
        }
        let session: Session
        do {
            session =
                isCaller
                ? try await connectDirect(peer, purpose: .streams) : try await connect(peer, purpose: .streams)
        } catch {
            guard isCaller, let session = peer.session else { throw error }
            peer.unreachableUntil = loop.now + Peers.unreachablePatience
            return try await session.openStream(kind.rawValue)
        }
        let stream: any MessageStream
        do {
            stream = try await session.openStream(kind.rawValue)
        } catch {
            session.close()
            throw error
        }
        return SessionOwningStream(stream, session: session)
    }

    // MARK: Sessions

    func dial(_ id: NodeID) {
        guard !isStopped, let peer = peers[id], peer.session == nil, !peer.isDialling, loop.now >= peer.nextDial else {
            return
        }
        peer.isDialling = true
        loop.spawn("dial \(id)") { [self] in
            do {
                let session = try await connect(peer, purpose: .messages)
                peer.isDialling = false
                peer.failures = 0
                peer.refusal = nil
                adopt(session, of: peer, isDialled: true)
            } catch {
                peer.isDialling = false
                peer.failures += 1
                if case MeshError.refusedByPeer(let reason) = error {
                    peer.refusal = reason
                    // It may know this node by the other key.
                    peer.knowsOtherKey.toggle()
                }
                let pause = min(Peers.dialPauseMin * (1 << Int64(min(peer.failures, 6))), Peers.dialPauseMax)
                // Between half of it and all: nodes that lost the same peer together do not come back together.
                let jitter = Int64(clamping: jitterSource.next() % 500)
                peer.nextDial = loop.now + pause * (500 + jitter) / 1_000
            }
        }
    }

    /// A session, directly where that is possible.
    private func connect(_ peer: Peer, purpose: SessionPurpose) async throws -> Session {
        var failure: any Error = MeshError.connectTimeout(peer.addresses.first ?? "-")
        if loop.now >= peer.directAgain {
            do {
                return try await connectDirect(peer, purpose: purpose)
            } catch {
                guard Peers.isOfTheWay(error) else { throw error }
                failure = error
            }
        }
        do {
            let session = try await connectRelayed(peer, purpose: purpose, instead: failure)
            peer.directAgain = max(peer.directAgain, loop.now + Peers.unreachablePatience)
            return session
        } catch {
            peer.directAgain = .zero
            throw error
        }
    }

    /// A session at one of the member's addresses.
    func connectDirect(_ peer: Peer, purpose: SessionPurpose) async throws -> Session {
        var failure: any Error = NodeError.nodeNotFound(peer.id.description)
        for text in peer.addresses {
            do {
                let address = try await loop.resolve(text, defaultPort: MeshMembership.defaultPort)
                let configuration = configuration(for: peer, purpose)
                let session = try await Session.connect(
                    loop, to: address, remoteKey: peer.noiseKey, configuration,
                    deadline: loop.after(Peers.dialDeadline))
                _ = try checked(session, of: peer)
                // The mesh may have told of other addresses meanwhile.
                if let place = peer.addresses.firstIndex(of: text) { peer.addresses.swapAt(0, place) }
                return session
            } catch {
                failure = error
            }
        }
        throw failure
    }

    func configuration(for peer: Peer, _ purpose: SessionPurpose) -> SessionConfiguration {
        var configuration = identity.configuration(for: membership, purpose, boot: boot)
        configuration.suites = peer.suites
        if peer.knowsOtherKey, let otherKey { configuration.staticKey = otherKey }
        return configuration
    }

    /// The session just dialled, unless its member lives in another epoch of the mesh.
    func checked(_ session: Session, of peer: Peer) throws -> Session {
        guard isOfThisEpoch(SessionPurpose.epoch(ofListener: session.remotePayload), peer.id) else {
            session.close("of another epoch of the mesh")
            throw NodeError.meshRecovered
        }
        peer.suites = session.suite == .chaChaPoly ? [.chaChaPoly] : SessionConfiguration.preferredSuites
        return session
    }

    /// Judges who connects: members by their key; a stranger may only ask for admission, by a first contact.
    func judge(_ claim: SessionClaim) -> SessionVerdict {
        if ids[claim.remoteKey] != nil { return .accept }
        if claim.pattern == .xx { return .accept }
        return .reject(onFormerMember?(claim.remoteKey) ?? "this key is no member's")
    }

    /// A session that somebody else dialled.
    func accept(_ session: Session) {
        guard let id = ids[session.remoteKey], let peer = peers[id], session.pattern == .ik else {
            guard let onStranger else { return session.close("nobody is admitted here") }
            return onStranger(session)
        }
        guard isOfThisEpoch(SessionPurpose.epoch(ofDialler: session.remotePayload), id) else {
            return session.close("of another epoch of the mesh")
        }
        peer.heard = loop.now
        switch SessionPurpose(payload: session.remotePayload) {
        case .messages: adopt(session, of: peer, isDialled: false)
        case .streams:
            session.onStream = { [self] kind, stream in take(stream, kind, from: id) }
        case nil: session.close("a session without a purpose")
        }
    }

    /// While this node starts nobody serves it; who asks hears that at once, and asks again.
    private func take(_ stream: any MessageStream, _ kind: UInt16, from id: NodeID) {
        guard let onStream else { return stream.cancel() }
        onStream(kind, stream, id)
    }

    /// Before and after a recovery there are two logs, which must never meet.
    private func isOfThisEpoch(_ epoch: UInt64, _ id: NodeID) -> Bool {
        if epoch > membership.epoch, !isStopped { onLaterEpoch?(epoch, id) }
        return epoch == membership.epoch
    }

    func adopt(_ session: Session, of peer: Peer, isDialled: Bool) {
        guard !isStopped, peers[peer.id] === peer else { return session.close("not a member any more") }
        let boot = SessionPurpose.boot(of: session.remotePayload, isDialler: !isDialled)
        noteBoot(boot, of: peer, session)
        if let old = peer.session {
            let dialler = peer.isDialled ? membership.node : peer.id
            let isHeard = loop.now - old.lastHeard < Peers.quiet
            let (isOldDirect, isNewDirect) = (Peers.relay(of: old) == nil, Peers.relay(of: session) == nil)
            // A direct one is better, whoever dialled it.
            let isRightful = isOldDirect == isNewDirect ? dialler == min(membership.node, peer.id) : isOldDirect
            if isRightful, isHeard { return session.close(reasonForOne(of: peer)) }
            peer.session = nil
            old.onClosed = nil
            old.close(recentTwins(of: peer) == nil ? "replaced by a newer session" : reasonForOne(of: peer))
            peer.keep(old.takeUnsent(), at: loop.now)
        }
        peer.session = session
        peer.boot = boot
        session.favourUrgent()
        peer.isDialled = isDialled
        peer.heard = loop.now
        let id = peer.id
        session.onMessage = { [self] kind, bytes in receive(kind, bytes, from: id) }
        session.onStream = { [self] kind, stream in take(stream, kind, from: id) }
        session.onClosed = { [self, weak session] error in
            sentAway(by: id, error)
            guard let peer = peers[id], let session, peer.session === session else { return }
            peer.session = nil
            peer.keep(session.takeUnsent(), at: loop.now)
            onLost?(id)
            dial(id)
        }
        resume(peer, on: session)
        session.ping()
        if !isDialled, isDirect(id) { tellSeen(session) }
        onKnown?(id, session.localKey)
    }

    /// Posts what an ended session had not begun to send, unless it is too old to be worth anything.
    private func resume(_ peer: Peer, on session: Session) {
        for message in peer.takeUnsent(at: loop.now) {
            do throws(MeshError) {
                try session.post(message.kind, message.bytes, class: message.class)
            } catch {
                // A session that ends at once: the protocols above repeat what matters.
                return
            }
        }
    }

    private func receive(_ kind: UInt16, _ bytes: [UInt8], from id: NodeID) {
        peers[id]?.heard = loop.now
        if kind == Peers.packetKind { datagrams?.received(bytes, overSessionWith: id) }
        if take(kind, bytes, ofEchoFrom: id) { return }
        guard kind == Peers.messageKind else { return }
        do {
            onMessage?(id, try NodeMessage(encoded: bytes))
        } catch {
            log.warning("\(id) sent a message that cannot be read: \(error.message)")
        }
    }
}

/// What a session between members is for, said in its handshake.
enum SessionPurpose: UInt8 {
    case messages = 1
    case streams = 2

    init?(payload: [UInt8]) {
        guard let first = payload.first else { return nil }
        self.init(rawValue: first)
    }

    /// What a dialler shows: the purpose, the epoch of its mesh and the number of its start, in eight bytes each, the least
    /// first.
    func payload(epoch: UInt64, boot: UInt64) -> [UInt8] {
        [rawValue]
            + [epoch, boot].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    static func epoch(ofDialler payload: [UInt8]) -> UInt64 {
        payload.dropFirst().prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A listener shows its credentials; those that cannot be read are of the first epoch.
    static func epoch(ofListener payload: [UInt8]) -> UInt64 {
        do { return try MemberCredentials(encoded: payload).epoch } catch { return 0 }
    }
}

/// The only stream of its session: the end of one is the end of the other. Confined to its loop.
private final class SessionOwningStream: MessageStream, @unchecked Sendable {
    private let stream: any MessageStream
    private let session: Session

    init(_ stream: any MessageStream, session: Session) {
        self.stream = stream
        self.session = session
    }

    deinit { session.close() }

    func send(_ message: [UInt8]) async throws(MeshError) { try await stream.send(message) }
    func receive() async throws(MeshError) -> [UInt8]? { try await stream.receive() }
    func finish() async { await stream.finish() }
    func cancel() {
        stream.cancel()
        session.close()
    }
}
