import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler
import Tokens

/// Puts other keys in the place of those of this host. Confined to its loop.
///
/// The new keys are durable, and certified, before the mesh is asked; one entry of the log makes them the node's. The
/// rest is `KeyKeeper`'s.
struct RotationService {
    let node: MeshNode

    private static let readPatience = Interval.seconds(10)
    /// For another member to sign.
    private static let signPatience = Interval.seconds(3)

    private var state: SchedulerState { node.state }
    private var name: String { node.views.nodeName(node.id) }

    // MARK: The node's own key

    /// `KeyKeeper.begin` comes before, `answered` after the answer has been sent.
    func rotateNode(by asker: Asker) async throws -> RotatedView {
        guard state.level >= SchedulerState.rotationLevel else {
            throw SchedulerError.levelNotReached(needed: SchedulerState.rotationLevel, mesh: state.level)
        }
        guard try await node.driver.read(patience: RotationService.readPatience) else {
            throw node.driver.nobodyLeads(for: RotationService.readPatience)
        }
        guard let record = state.node(node.id), record.identityKey.array == node.identity.publicKey.bytes else {
            throw NodeError.rotationUnderWay(node: name, waitsFor: [])
        }
        guard record.role != .client else { throw NodeError.rotationOfClient(node: name) }
        try state.checkRotation(of: node.id)
        let (keys, rotation) = try await keysToCome(record)
        let answer = try await node.driver.propose(.rotateKey(rotation), by: asker)
        if let failure = APIFailure(refusal: answer) {
            if state.node(node.id)?.identityKey != rotation.newKey { try node.keys.drop() }
            throw failure
        }
        let old = node.identity.publicKey.id
        let former = state.node(node.id)?.formerKeys.last
        return RotatedView(
            name: name, oldKey: old.text, newKey: keys.signingKey.id.text,
            believedUntil: former?.believedUntil ?? state.time, tokens: outstanding(of: old))
    }

    /// Tokens that were made here with this key and have not run out.
    private func outstanding(of key: KeyID) -> UInt64 {
        UInt64(state.tokens.count { $0.issuer == key.text && $0.expires > state.time })
    }

    /// New ones, or those of a try whose end nobody knows: it may still be decided.
    private func keysToCome(_ record: NodeRecord) async throws -> (OtherKeys, KeyRotation) {
        if let keys = node.keys.other, let rotation = keys.rotation, rotation.oldKey == record.identityKey {
            return (keys, rotation)
        }
        let key = SigningKey.generate()
        let noiseKey = NoiseKeyPair.generate()
        let rotation = KeyRotation(
            of: node.id, from: node.identity.signingKey, to: key, noiseKey: noiseKey.publicKey, mesh: state.meshKeyID)
        let keys = OtherKeys(
            signingKey: key, noiseKey: noiseKey,
            certificates: try await certificates(for: key.publicKey, rotation, record), rotation: rotation)
        try node.keys.keep(keys)
        return (keys, rotation)
    }

    // MARK: Issuers

    /// - Parameter old: the name or the id of the key that goes.
    func rotateIssuer(_ old: String, to key: Bytes, by asker: Asker) async throws -> RotatedView {
        guard try await node.driver.read(patience: RotationService.readPatience) else {
            throw node.driver.nobodyLeads(for: RotationService.readPatience)
        }
        // A name stays with the newest key; older ones are to be had by their ids.
        let named = state.issuers.filter { $0.name == old && $0.replaced == nil }
        guard named.count <= 1 else { throw NodeError.issuerAmbiguous(name: old, keys: named.map(\.id)) }
        guard let former = state.issuer(old) ?? named.first else { throw SchedulerError.issuerNotFound(old) }
        let new = try PublicKey(bytes: key.array)
        let record = IssuerRecord(
            id: new.id.text, key: key, name: former.name, lifetimeSeconds: former.lifetimeSeconds, by: asker.name)
        _ = try await node.driver.carryOut(.rotateIssuer(former.id, record), by: asker)
        let replaced = state.issuer(former.id)?.replaced?.at ?? state.time
        let lifetime = Int64(clamping: former.lifetimeSeconds) * 1_000_000_000
        return RotatedView(
            name: former.name, oldKey: former.id, newKey: record.id, believedUntil: replaced + lifetime,
            tokens: outstanding(of: try KeyID(text: former.id)))
    }

    // MARK: The mesh key

    func rotateMesh(by asker: Asker) async throws -> RotatedView {
        guard state.level >= SchedulerState.rotationLevel else {
            throw SchedulerError.levelNotReached(needed: SchedulerState.rotationLevel, mesh: state.level)
        }
        guard try await node.driver.read(patience: RotationService.readPatience) else {
            throw node.driver.nobodyLeads(for: RotationService.readPatience)
        }
        try node.certificates.follow()
        guard HostFiles.exists(node.directory.meshKey) else {
            throw NodeError.noMeshKey(node: name, host: hostWithMeshKey)
        }
        // Before there is a key to come: the mesh takes none from here.
        if let refusal = state.node(node.id).flatMap(state.refusalOfAdministrators) { throw refusal }
        let rotation = try meshKeyRotation()
        let answer = try await node.driver.propose(.rotateMeshKey(rotation), by: asker)
        // The key to come stays where it is: what was asked before may still be decided.
        if let failure = APIFailure(refusal: answer) { throw failure }
        try node.certificates.follow()
        let replacement = state.meshKeyReplacements.last { $0.rotation.newKey == rotation.newKey }
        return RotatedView(
            name: "mesh \(state.meshName)", oldKey: try PublicKey(bytes: rotation.oldKey.array).id.text,
            newKey: try PublicKey(bytes: rotation.newKey.array).id.text,
            believedUntil: replacement?.shownUntil ?? state.time, tokens: 0)
    }

    private func meshKeyRotation() throws -> MeshKeyRotation {
        let directory = node.directory
        try state.checkMeshKeyRotation()
        let key = try SigningKeyFile.load(directory.meshKey, node.identity.lock)
        let current = state.currentMeshKey
        if key.publicKey.bytes == current.array {
            return MeshKeyRotation(
                from: key, to: try MeshKeyCopy.next(directory, node.identity.lock), mesh: state.meshKeyID)
        }
        // The mesh was recovered from a host that had not heard of it: it is told again.
        let told = node.membership.meshKeyRotations.first {
            $0.oldKey == current && $0.newKey.array == key.publicKey.bytes
        }
        guard let told else { throw NodeError.foreignMeshKey(mesh: state.meshName) }
        return told
    }

    /// Who has certified this host, or those above it, with the mesh key.
    private var hostWithMeshKey: String? {
        let membership = node.membership
        do {
            let first = try membership.certificates.subjects(meshKey: membership.meshKey, root: membership.root).first
            return state.members.first { $0.id != node.id && $0.identityKey.array == first?.bytes }?.name
        } catch {
            return nil
        }
    }

    // MARK: Certificates

    /// From the mesh key where it is here, else from a member that may admit, the oldest first because it stands nearest
    /// to the mesh key; where none can be asked, from the key that goes.
    private func certificates(
        for key: PublicKey, _ rotation: KeyRotation, _ record: NodeRecord
    ) async throws -> CertificateChain {
        let membership = node.membership
        if HostFiles.exists(node.directory.meshKey) {
            let meshKey = try SigningKeyFile.load(node.directory.meshKey, node.identity.lock)
            guard meshKey.publicKey == membership.currentMeshKey else {
                throw NodeError.foreignMeshKey(mesh: membership.meshName)
            }
            return try .founding(
                key, name: record.name, meshKey: meshKey, mesh: membership.meshKey.id, now: Certifier.now)
        }
        for member in state.members
        where member.id != node.id && member.role == .auto && node.peers.isConnected(member.id) {
            do {
                let chain = try await ask(member.id, rotation)
                if try membership.verify(chain).subject == key { return chain }
                node.log.warning("\(member.name) has certified another key than that of this node")
            } catch {
                node.log.note("\(member.name) does not certify this node: \(APIFailure(error).message)")
            }
        }
        guard try membership.verify(membership.certificates).mayAdmit else {
            throw NodeError.noCertificate(node: name)
        }
        return try Certifier(node: node).chain(for: key, name: record.name, role: record.role)
    }

    private func ask(_ member: NodeID, _ rotation: KeyRotation) async throws -> CertificateChain {
        let stream = try await node.peers.openStream(.rotation, to: member)
        let timer = node.loop.schedule(at: node.loop.after(RotationService.signPatience)) { stream.cancel() }
        defer {
            node.loop.cancel(timer)
            stream.cancel()
        }
        try await stream.send(rotation.encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        switch try APIReply(encoded: bytes) {
        case .bytes(let chain): return try CertificateChain(encoded: chain.array)
        case .failure(let failure): throw failure
        default: throw NodeError.malformedRequest("another answer than certificates")
        }
    }

    /// Serves another member that is about to have another key.
    func serve(_ stream: any MessageStream, from member: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        let rotation = try KeyRotation(encoded: bytes)
        guard let record = state.node(member), rotation.node == member, rotation.oldKey == record.identityKey,
            record.presence != .left, record.revocation == nil
        else { throw TokenError.proofInvalid }
        try rotation.verify(mesh: state.meshKeyID)
        let certifier = Certifier(node: node)
        try certifier.requireRight()
        let chain = try certifier.chain(
            for: try PublicKey(bytes: rotation.newKey.array), name: record.name, role: record.role)
        try await stream.send(APIReply.bytes(Bytes(chain.encoded())).encoded())
        await stream.finish()
    }
}
