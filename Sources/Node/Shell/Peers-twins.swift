import Codec
import Mesh

// One key in two places: which processes are heard under the key of each member.
extension Peers {
    /// What is said to the one of two that is sent away.
    static let twinReason = "two hosts use this key"
    /// For how long after both were heard it counts as so.
    private static let twinMemory = Interval.seconds(30)

    /// A session of that process with the member's key is there now.
    func noteBoot(_ boot: UInt64, of peer: Peer, _ session: Session) {
        peer.twins.heard(boot, at: session.address.description, loop.now)
    }

    /// Whether the session that stays is heard although there is a later process.
    func lookForTwins(_ peer: Peer) {
        guard let session = peer.session, peer.twins.hasSeveral else { return }
        peer.twins.heard(peer.boot, at: session.address.description, session.lastHeard)
        if let twins = recentTwins(of: peer) { onTwins?(peer.id, twins.addresses) }
    }

    func recentTwins(of peer: Peer) -> TwinWatch.Twins? {
        guard let twins = peer.twins.twins, loop.now - twins.at < Peers.twinMemory else { return nil }
        return twins
    }

    /// Why one of two sessions with the same member is closed.
    func reasonForOne(of peer: Peer) -> String {
        recentTwins(of: peer).map { "\(Peers.twinReason), at \($0.addresses.joined(separator: " and "))" }
            ?? "there is a session already"
    }

    /// Members whose key two processes use now, and where.
    var twins: [(id: NodeID, addresses: [String])] {
        peers.keys.sorted().compactMap { id in
            peers[id].flatMap(recentTwins).map { (id, $0.addresses) }
        }
    }

    /// A member has sent this node away because it hears another with its key.
    func sentAway(by id: NodeID, _ error: MeshError) {
        guard case .closedByPeer(let reason) = error, reason.hasPrefix(Peers.twinReason) else { return }
        twinSaid = (id, reason, loop.now)
        onTwinSaid?(id, reason)
    }

    /// Who has lately sent this node away because of another with its key, and what it said.
    var recentTwinSaid: (by: NodeID, reason: String)? {
        guard let said = twinSaid, loop.now - said.at < Peers.twinMemory else { return nil }
        return (said.by, said.reason)
    }
}

extension SessionPurpose {
    /// The number of the process at the other end; 0 where its program knows of none.
    static func boot(of payload: [UInt8], isDialler: Bool) -> UInt64 {
        if isDialler { return payload.dropFirst(9).prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        do { return try MemberCredentials(encoded: payload).boot } catch { return TwinWatch.unknown }
    }
}
