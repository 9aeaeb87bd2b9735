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

    private static let connectDeadline = Interval.seconds(5)

    /// Joins by an invitation.
    func join(_ invitation: Invitation) async throws -> (MeshMembership, [PeerRecord]) {
        let content = try invitation.verify(now: EventLoops.wallClock.nanoseconds / 1_000_000_000)
        var failure: any Error = NodeError.malformedRequest("the invitation names no address")
        for address in invitation.addresses {
            do {
                let (session, _) = try await connect(to: address, expecting: invitation.meshKey)
                return try await ask(
                    session, meshKey: invitation.meshKey, token: invitation.joinToken,
                    tokenID: content.id)
            } catch let error as APIFailure {
                // The mesh itself has said no: the other addresses lead to the same mesh.
                throw error
            } catch MeshError.keysDoNotFit {
                failure = NodeError.invitationLeadsElsewhere(address: address, mesh: invitation.meshName)
            } catch {
                failure = error
            }
        }
        throw failure
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
        return try await ask(session, meshKey: credentials.meshKey, token: nil, tokenID: "")
    }

    /// A first contact: the other side has shown a chain of certificates from its mesh key to its session key.
    private func connect(
        to address: String, expecting meshKey: PublicKey?
    ) async throws -> (Session, MemberCredentials) {
        let verdict: @Sendable (SessionClaim) async -> SessionVerdict = { claim in
            do {
                _ = try Joiner.verify(claim.payload, noiseKey: claim.remoteKey, expecting: meshKey)
                return .accept
            } catch {
                return .reject(APIFailure(error).message)
            }
        }
        let configuration = SessionConfiguration(
            staticKey: identity.noiseKey, meshID: meshKey.map(MeshMembership.meshID), payload: [], validate: verdict)
        let target = try await loop.resolve(address, defaultPort: MeshMembership.defaultPort)
        let session = try await Session.connect(
            loop, to: target, configuration, deadline: loop.after(Joiner.connectDeadline))
        return (session, try Joiner.verify(session.remotePayload, noiseKey: session.remoteKey, expecting: meshKey))
    }

    static func verify(
        _ payload: [UInt8], noiseKey: [UInt8], expecting meshKey: PublicKey?
    ) throws -> MemberCredentials {
        let credentials = try MemberCredentials(encoded: payload)
        if let meshKey, credentials.meshKey != meshKey {
            throw TokenError.otherMesh(
                here: MeshFingerprint(meshKey: credentials.meshKey).text,
                invitation: MeshFingerprint(meshKey: meshKey).text)
        }
        let member = try credentials.certificates.verify(meshKey: credentials.meshKey)
        guard credentials.noiseBinding.noiseKey == noiseKey else { throw TokenError.proofInvalid }
        try credentials.noiseBinding.verify(identity: member.subject)
        return credentials
    }

    private func ask(
        _ session: Session, meshKey: PublicKey, token: JoinToken?, tokenID: String
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
                let own = try admission.certificates.verify(meshKey: meshKey)
                guard own.subject == identity.publicKey else { throw TokenError.proofInvalid }
                await stream.finish()
                var membership = MeshMembership(
                    meshName: admission.meshName, meshKey: meshKey, node: admission.node, nodeName: admission.name,
                    certificates: admission.certificates, isFounder: false)
                membership.epoch = admission.epoch
                return (membership, admission.peers)
            }
        }
        throw MeshError.disconnected
    }
}
