import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// A member's side of admission: it checks what a stranger shows, puts the admission before the mesh, and certifies
/// the new member. Confined to its loop.
///
/// One entry of the replicated state consumes a use of the invitation and admits exactly the key that proved itself.
final class AdmissionServer: @unchecked Sendable {
    private let node: MeshNode
    private let guests: GuestServer
    private var open = 0

    /// Strangers by the address they come from, its port left out.
    private var openByAddress: [SocketAddress: Int] = [:]

    /// Strangers that are talked to at once: whoever wants to join, and guests whose token is not verified yet.
    private static let openMax = 64
    /// Of one address, so that nobody alone keeps all others out.
    private static let openPerAddressMax = 48
    /// What a stranger may say in one message.
    private static let messageBytesMax = GuestCall.bytesMax
    /// A stranger that does not ask is sent away.
    private static let requestPatience = Interval.seconds(10)
    /// How long a node that knocked waits to be approved (the state forgets it then, too).
    private static let approvalPatience = Interval.seconds(600)

    init(node: MeshNode) {
        self.node = node
        guests = GuestServer(node: node, check: node.guests)
    }

    /// A stranger has proved a session key, nothing more.
    func accept(_ session: Session) {
        let address = session.address.with(port: 0)
        guard open < AdmissionServer.openMax,
            openByAddress[address, default: 0] < AdmissionServer.openPerAddressMax
        else { return session.close("too many strangers ask at once") }
        session.streamMessageBytesMax = AdmissionServer.messageBytesMax
        let asking = Asking()
        enter(address)
        let patience = node.loop.schedule(at: node.loop.after(AdmissionServer.requestPatience)) {
            if !asking.hasBegun { session.close("nothing was asked for 10 s") }
        }
        session.onClosed = { [self] _ in
            if !asking.isGuest { leave(address) }
            node.loop.cancel(patience)
        }
        session.onStream = { [self] kind, stream in
            // A connection is for one question.
            guard !asking.hasBegun, kind == StreamKind.admission.rawValue || kind == StreamKind.guest.rawValue else {
                return stream.cancel()
            }
            asking.hasBegun = true
            if kind == StreamKind.guest.rawValue {
                node.loop.spawn("guest") { [self] in
                    await guests.serve(stream, session) { [self] in
                        // Guests stay for as long as their jobs do, and take no place from those who want to join.
                        guard !asking.isGuest else { return }
                        asking.isGuest = true
                        leave(address)
                    }
                    session.close("done")
                }
                return
            }
            node.loop.spawn("admission") { [self] in
                await serve(stream, session)
                session.close("done")
            }
        }
    }

    private func enter(_ address: SocketAddress) {
        open += 1
        openByAddress[address, default: 0] += 1
    }

    private func leave(_ address: SocketAddress) {
        open -= 1
        let left = openByAddress[address, default: 1] - 1
        openByAddress[address] = left > 0 ? left : nil
    }

    /// Whether a stranger has said what it wants. Confined to the loop.
    private final class Asking: @unchecked Sendable {
        var hasBegun = false
        var isGuest = false
    }

    private func serve(_ stream: any MessageStream, _ session: Session) async {
        do {
            guard let bytes = try await stream.receive() else { return }
            let admission = try await admit(try AdmissionRequest(encoded: bytes), session, stream)
            node.log.note("admitted \(admission.name) as \(admission.node)")
            try await stream.send(AdmissionReply.admitted(admission).encoded())
            await stream.finish()
            // The other side reads to the end and closes.
            _ = try await stream.receive()
        } catch {
            let failure = APIFailure(error)
            node.auditKeeper.turnedAway(
                RefusalLog.Refusal(door: "join", code: failure.code, from: "\(session.address)"))
            node.log.note("turned away \(session.address): \(failure.message)")
            do {
                try await stream.send(AdmissionReply.refused(failure).encoded())
                await stream.finish()
                _ = try await stream.receive()
            } catch {
                stream.cancel()
            }
        }
    }

    private func admit(
        _ request: AdmissionRequest, _ session: Session, _ stream: any MessageStream
    ) async throws -> Admission {
        // Before anything is recorded: a node that signs no certificate must use up no invitation.
        try Certifier(node: node).requireRight()
        let key = try PublicKey(bytes: request.node.identityKey.array)
        guard request.noiseBinding.noiseKey == session.remoteKey, request.node.noiseKey.array == session.remoteKey
        else {
            throw TokenError.proofInvalid
        }
        try request.noiseBinding.verify(identity: key)
        let facts = BLAKE3.hash(request.node.encoded())
        var record = request.node
        record.presence = .present
        guard let token = request.token else {
            try request.proof.verify(handshakeHash: session.handshakeHash, tokenID: "", facts: facts, key: key)
            return try await knock(record, key, stream)
        }
        let content = try verify(token)
        try request.proof.verify(handshakeHash: session.handshakeHash, tokenID: content.id, facts: facts, key: key)
        // What the token says about the node goes before what the node says about itself.
        if content.role == .worker, record.role == .auto { record.role = .worker }
        let labels = content.labels.map { Label(name: $0.name, value: $0.value) }
        record.labels = (record.labels.filter { own in !labels.contains { $0.name == own.name } } + labels)
            .sorted { $0.name < $1.name }
        let use = InvitationUse(
            jti: content.id, uses: content.uses, expires: content.expires * 1_000_000_000, issuer: content.issuer.short,
            epoch: UInt64(content.epoch), from: session.address.description)
        guard case .node(let id, let name) = try await node.driver.carryOut(.admit(record, invitation: use)) else {
            throw NodeError.malformedRequest("the mesh gave an admission another answer than a node")
        }
        return try admission(id, name, key)
    }

    private func verify(_ token: JoinToken) throws -> JoinToken.Content {
        let issuer = try token.unverifiedIssuer()
        guard
            let member = try node.state.members.first(where: { try PublicKey(bytes: $0.identityKey.array).id == issuer }
            )
        else {
            // A thief of the old key could make an invitation now: nothing that it signed admits anybody any more.
            for member in node.state.members
            where try member.formerKeys.contains(where: { try PublicKey(bytes: $0.key.array).id == issuer }) {
                throw NodeError.invitationKeyReplaced(node: member.name)
            }
            throw TokenError.issuerMayNotAdmit(issuer: issuer.short)
        }
        return try token.verify(
            signer: try PublicKey(bytes: member.identityKey.array), mayAdmit: member.role == .auto,
            mesh: node.membership.meshKey.id, now: Certifier.now)
    }

    /// Without an invitation: it waits until somebody of the mesh approves it.
    private func knock(_ record: NodeRecord, _ key: PublicKey, _ stream: any MessageStream) async throws -> Admission {
        let knock = Knock(
            name: record.name, identityKey: record.identityKey, noiseKey: record.noiseKey, shortID: key.id.short,
            addresses: record.addresses, capacity: record.capacity, role: record.role, labels: record.labels,
            version: record.version, levels: record.levels)
        _ = try await node.driver.carryOut(.knock(knock))
        try await stream.send(AdmissionReply.waiting.encoded())
        let deadline = node.loop.after(AdmissionServer.approvalPatience)
        while node.isRunning {
            if let member = node.state.member(identityKey: record.identityKey) {
                return try admission(member.id, member.name, key)
            }
            guard try await node.driver.changes.isNotified(before: deadline) else {
                throw NodeError.approvalExpired
            }
        }
        throw NodeError.stopping
    }

    private func admission(_ id: NodeID, _ name: String, _ key: PublicKey) throws -> Admission {
        let membership = node.membership
        let chain = try Certifier(node: node).chain(for: key, name: name, role: node.state.node(id)?.role)
        let peers = node.state.members.filter { $0.id != id }
            .sorted { ($0.id == node.id ? 0 : 1, $0.id) < ($1.id == node.id ? 0 : 1, $1.id) }
            .map { PeerRecord(id: $0.id, noiseKey: $0.noiseKey, addresses: $0.addresses) }
        return Admission(
            node: id, name: name, meshName: membership.meshName, certificates: chain, peers: peers,
            epoch: membership.epoch, meshKeyRotations: node.state.shownMeshKeyRotations)
    }
}

/// Makes invitations.
struct Inviter {
    let node: MeshNode

    /// Addresses that an invitation carries: this node's first, then other voters'.
    private static let addressesMax = 8

    func invite(_ request: InviteRequest, by asker: Asker) async throws -> InvitationView {
        let membership = node.membership
        try Certifier(node: node).requireRight()
        let now = Certifier.now
        let expires = now + Int64(clamping: request.timeToLiveSeconds)
        let token = try JoinToken.issue(
            mesh: membership.meshKey.id, uses: request.uses, expires: expires, role: request.worker ? .worker : .auto,
            labels: request.labels.map { JoinToken.Label(name: $0.name, value: $0.value) },
            epoch: Int64(clamping: node.state.invitationEpoch), signer: node.identity.signingKey)
        let others = node.state.members.filter { $0.id != node.id && $0.role == .auto }.flatMap(\.addresses)
        let invitation = try Invitation(
            addresses: Array((membership.addresses + others).prefix(Inviter.addressesMax)),
            meshKey: membership.meshKey, root: membership.root, meshName: membership.meshName, joinToken: token,
            issuerChain: membership.certificates)
        let content = try invitation.verify(now: now)
        if let end = try membership.verify(membership.certificates).validity?.expires, expires > end {
            throw NodeError.invitationTooLong(until: end)
        }
        if node.state.isAudited {
            // Known before anybody has it.
            let made = InvitationMade(
                jti: content.id, uses: content.uses, expires: content.expires * 1_000_000_000)
            _ = try await node.driver.carryOut(.invitationMade(made), by: asker)
        }
        return InvitationView(
            line: invitation.text, shortID: content.shortID, uses: content.uses,
            expires: content.expires * 1_000_000_000)
    }
}
