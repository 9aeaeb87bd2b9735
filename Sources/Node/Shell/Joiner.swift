import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// A stranger's side of admission: it checks the mesh before it says anything, then proves its key. Confined to its
/// loop.
struct Joiner {
    let loop: any EventLoop
    let identity: NodeIdentity
    /// What this node says about itself.
    let record: NodeRecord

    /// Joins by an invitation.
    func join(_ invitation: Invitation) async throws -> (MeshMembership, [PeerRecord]) {
        let content = try invitation.verify(now: Certifier.now)
        var failure: (any Error)?
        for address in invitation.addresses {
            do {
                let (session, credentials) = try await connect(
                    to: address, expecting: invitation.meshKey, root: invitation.root)
                return try await ask(session, credentials, token: invitation.joinToken, tokenID: content.id)
            } catch let error as APIFailure {
                // The mesh itself has said no: the other addresses lead to the same mesh.
                throw error
            } catch MeshError.keysDoNotFit {
                let elsewhere = NodeError.invitationLeadsElsewhere(address: address, mesh: invitation.meshName)
                failure = FirstContact.telling(failure, elsewhere)
            } catch {
                failure = FirstContact.telling(failure, error)
            }
        }
        throw failure ?? NodeError.malformedRequest("the invitation names no address")
    }

    /// Joins by a peer's address: `confirm` is shown the mesh and says whether it is the right one; then somebody there
    /// has to approve this node.
    func knock(
        at address: String, confirm: (MemberCredentials) async throws -> Void
    ) async throws -> (MeshMembership, [PeerRecord]) {
        let (session, credentials) = try await connect(to: address, expecting: nil)
        do { try await confirm(credentials) } catch {
            session.close("the mesh was not confirmed")
            throw error
        }
        return try await ask(session, credentials, token: nil, tokenID: "")
    }

    private func connect(
        to address: String, expecting meshKey: PublicKey?, root: PublicKey? = nil
    ) async throws -> (Session, MemberCredentials) {
        let contact = FirstContact(
            loop: loop, staticKey: identity.noiseKey, meshKey: meshKey, root: root, now: Certifier.now)
        let (session, credentials, _) = try await contact.connect(to: address)
        return (session, credentials)
    }

    private func ask(
        _ session: Session, _ credentials: MemberCredentials, token: JoinToken?, tokenID: String
    ) async throws -> (MeshMembership, [PeerRecord]) {
        defer { session.close() }
        let stream = try await session.openStream(StreamKind.admission.rawValue, class: .control)
        let facts = BLAKE3.hash(record.encoded())
        let request = AdmissionRequest(
            node: record, noiseBinding: identity.noiseBinding, token: token,
            proof: JoinProof(
                handshakeHash: session.handshakeHash, tokenID: tokenID, facts: facts, key: identity.signingKey))
        try await stream.send(request.encoded())
        while let bytes = try await stream.receive() {
            switch try AdmissionReply(encoded: bytes) {
            case .waiting: break
            case .refused(let failure): throw failure
            case .admitted(let admission):
                // Its own certificates are for others to look at; by a clock that is behind they are still to come.
                let meshKey = credentials.meshKey
                let keys = try MeshKeyRotation.keys(
                    from: credentials.root, by: admission.meshKeyRotations, mesh: meshKey)
                let root = try admission.certificates.root(among: keys)
                let own = try admission.certificates.verify(meshKey: meshKey, root: root)
                guard own.subject == identity.publicKey else { throw TokenError.proofInvalid }
                await stream.finish()
                var membership = MeshMembership(
                    meshName: admission.meshName, meshKey: meshKey, node: admission.node, nodeName: admission.name,
                    certificates: admission.certificates, isFounder: false)
                membership.root = root
                membership.currentMeshKey = keys[keys.count - 1]
                membership.epoch = admission.epoch
                return (membership, admission.peers)
            }
        }
        throw MeshError.disconnected
    }
}
