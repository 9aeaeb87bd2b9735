import Codec
import Mesh
import Raft
import Ring
import Scheduler
import Tokens

/// What people are shown of members.
struct MemberViews {
    let node: MeshNode

    func members() -> MembersView {
        MembersView(
            meshName: node.state.meshName, meshFingerprint: node.membership.fingerprint,
            members: node.state.members.map(view),
            waiting: node.state.knocks.map {
                WaitingView(
                    name: $0.name, shortID: $0.shortID, address: $0.addresses.first ?? "-", since: $0.knockedAt)
            },
            staleMilliseconds: node.staleness.map { UInt64(max(0, $0.milliseconds)) }, endings: endings())
    }

    /// What ends soon in this mesh: certificates as each member says by gossip, this node's as it is, and issuers.
    func endings() -> [EndingView] {
        let now = EventLoops.wallClock.nanoseconds
        let certificates = node.state.members.compactMap { member -> EndingView? in
            let isOwn = member.id == node.id
            guard
                let expires = isOwn
                    ? node.certificates.expires : node.gossip.report(of: member.id)?.certificateExpires
            else { return nil }
            // One that is away cannot renew anything, and does when it comes back.
            guard isOwn || node.peers.isConnected(member.id) else { return nil }
            return Endings.certificate(of: member.name, expires: expires, now: now)
        }
        return certificates
            + node.state.issuers.compactMap { issuer in
                let revocation = node.state.tokenRevocation(.issuer(issuer.id))
                let isRevoked = revocation.map { $0.issuedBefore == nil } ?? false
                return Endings.issuer(issuer, isRevoked: isRevoked, now: now)
            }
    }

    func member(_ id: NodeID) -> MemberView? { node.state.node(id).map(view) }

    /// By name or short id.
    func member(named name: String) throws -> MemberView {
        if let record = node.state.node(named: name) { return view(record) }
        guard let record = node.state.members.first(where: { shortID($0) == name })
        else { throw NodeError.nodeNotFound(name) }
        return view(record)
    }

    /// nil for bytes that are no key, which the state takes from members only.
    private func keyID(_ record: NodeRecord) -> KeyID? {
        do { return try PublicKey(bytes: record.identityKey.array).id } catch { return nil }
    }

    private func shortID(_ record: NodeRecord) -> String? { keyID(record)?.short }

    func view(_ record: NodeRecord) -> MemberView {
        let key = keyID(record)
        let free = node.state.freeCapacity(of: record.id)
        return MemberView(
            name: record.name, shortID: key?.short ?? "-", keyID: key?.text ?? "-", nodeID: record.id,
            state: health(record),
            raft: raft(record.id), cpus: UInt32(clamping: record.capacity.cpuMillis / 1_000),
            memoryBytes: record.capacity.memoryBytes, gpus: record.capacity.gpus,
            freeGPUs: UInt32(clamping: free?.gpus.count ?? 0), address: record.addresses.first ?? "-",
            roundTripMicroseconds: node.peers.roundTrip(to: record.id).map { UInt64(max(0, $0.nanoseconds / 1_000)) },
            labels: record.labels, version: record.version, role: record.role,
            drain: record.drain, closed: record.capacity.closed, notice: notice(record),
            loadHundredths: node.gossip.report(of: record.id)?.loadHundredths)
    }

    /// `has been dead for 8d04h; is removed in 21d`: nil where that is no news yet.
    func notice(_ record: NodeRecord) -> String? {
        if let absence = record.absence {
            let end = Interval(
                nanoseconds: max(0, absence.since + absence.nanoseconds - EventLoops.wallClock.nanoseconds))
            return "is away, as for an upgrade; is waited for \(TimeSpan.text(end)) more, and its jobs run on"
        }
        guard case .lost(let since) = record.presence else { return nil }
        let settings = node.state.meshSettings
        let time = Interval(nanoseconds: max(0, EventLoops.wallClock.nanoseconds - since))
        guard time >= settings.noticeInactiveAfter else { return nil }
        let text = "has been dead for \(TimeSpan.text(time))"
        guard let patience = settings.removeInactiveAfter else { return text }
        return time < patience
            ? "\(text); is removed in \(TimeSpan.text(patience - time))" : "\(text); is being removed"
    }

    /// The leader's word about leases where it has spoken, else what gossip sees.
    private func health(_ record: NodeRecord) -> String {
        if record.revocation != nil { return "revoked" }
        switch record.presence {
        case .left: return "left"
        // Its daemon said goodbye, before it was missed.
        case .lost: return node.health[record.id] == .left ? "left" : "dead"
        case .present: if record.absence != nil { return "away" }
        }
        switch record.id == node.id ? nil : node.health[record.id] {
        case .suspect: return "suspect"
        case .dead: return "dead"
        case .left: return "left"
        case .alive, nil: break
        }
        switch record.drain?.kind {
        case nil: return record.capacity.closed == nil ? "alive" : "closed"
        case .cordon: return "cordoned"
        case .drain: return node.state.attempts(on: record.id).isEmpty ? "drained" : "draining"
        }
    }

    private func raft(_ id: NodeID) -> String? {
        let core = node.driver.core.raft
        if core.leader == id { return "leader" }
        if core.membership.isVoter(id) { return "voter" }
        return core.membership.isMember(id) ? "learner" : nil
    }
}
