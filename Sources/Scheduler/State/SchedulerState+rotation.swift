import Codec
import Tokens

/// Other keys in the place of those that there are. What names a key by its owner goes on; what a key has signed is
/// believed for a while.
extension SchedulerState {
    /// From this level of the protocol on keys can be rotated.
    public static let rotationLevel: UInt64 = 7

    /// Whether the key of this node may be rotated now.
    public func checkRotation(of id: NodeID) throws(SchedulerError) {
        let record = nodeRows[try memberPosition(id)].record
        if let revoked = record.revocation {
            throw .revoked(name: record.name, at: Wording.clock(revoked.at, seenAt: time) + " UTC")
        }
        if let last = record.formerKeys.last, time < last.believedUntil {
            throw .rotatedJustNow(
                name: record.name, at: Wording.clock(last.replacedAt, seenAt: time) + " UTC",
                again: Wording.clock(last.believedUntil, seenAt: time) + " UTC")
        }
    }

    /// The node has another identity from here on. Both signatures are looked at by everybody who applies it, so that
    /// nobody has to be trusted for them.
    mutating func rotate(_ rotation: KeyRotation, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(rotation.node)
        var record = nodeRows[position].record
        // Asked again, because the answer was lost.
        if record.identityKey == rotation.newKey, record.noiseKey == rotation.noiseKey { return }
        try checkRotation(of: rotation.node)
        guard record.identityKey == rotation.oldKey else {
            throw .badRotation("the old key is not that of \(record.name)")
        }
        do throws(TokenError) { try rotation.verify(mesh: meshKeyID) } catch { throw .badRotation(error.message) }
        guard memberKeys[rotation.newKey] == nil, revokedKeys[rotation.newKey] == nil, !isMeshKey(rotation.newKey),
            !issuerRows.contains(where: { $0.row.key == rotation.newKey }),
            !nodeRows.contains(where: { $0.row.record.noiseKey == rotation.noiseKey })
        else { throw .badRotation("the new key is in use, or was") }
        memberKeys.remove(rotation.oldKey)
        memberKeys.set(rotation.newKey, rotation.node)
        knocks.removeAll { $0.identityKey == rotation.newKey }
        revokedKeys.set(rotation.oldKey, rotation.node)
        record.formerKeys.append(FormerKey(key: rotation.oldKey, replacedAt: time))
        while record.formerKeys.count > SchedulerLimits.formerKeysMax {
            revokedKeys.remove(record.formerKeys.removeFirst().key)
        }
        record.identityKey = rotation.newKey
        record.noiseKey = rotation.noiseKey
        nodeRows[position].record = record
        keyRotations += 1
        events += [.nodeChanged(rotation.node), .tokensChanged]
    }

    /// The key of this id issues nothing more from here on; what it has issued is good until it runs out.
    mutating func rotate(
        _ old: String, to issuer: IssuerRecord, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        guard var former = issuerRows[old] else { throw .issuerNotFound(old) }
        // Asked again, because the answer was lost.
        if former.replaced?.by == issuer.id, issuerRows[issuer.id] != nil { return }
        guard former.replaced == nil else { throw .badRotation("\(former.name) has another key already") }
        guard !isRevoked(issuer: old) else { throw .badRotation("the key of \(former.name) is revoked") }
        guard issuerRows[issuer.id] == nil, !isRevoked(issuer: issuer.id), memberKeys[issuer.key] == nil,
            revokedKeys[issuer.key] == nil, !isMeshKey(issuer.key)
        else { throw .badRotation("the new key is in use, or was") }
        var issuer = issuer
        issuer.name = former.name
        issuer.lifetimeSeconds = former.lifetimeSeconds
        issuer.ttlSeconds = former.ttlSeconds
        try add(issuer, &events)
        former.replaced = IssuerReplacement(at: time, by: issuer.id)
        issuerRows.set(old, former)
    }

    // MARK: The mesh key

    /// Which key certifies the hosts of the mesh.
    public var currentMeshKey: Bytes { meshKeyReplacements.last?.rotation.newKey ?? meshKey }

    /// Whether the mesh has been known by this key, as far as that is remembered.
    public func isMeshKey(_ key: Bytes) -> Bool {
        key == meshKey || meshKeyReplacements.contains { $0.rotation.newKey == key || $0.rotation.oldKey == key }
    }

    /// What leads outsiders who know a former key to the one of now, oldest first.
    public var shownMeshKeyRotations: [MeshKeyRotation] {
        meshKeyReplacements.filter { time < $0.shownUntil }.map(\.rotation)
    }

    /// Whether the mesh key may be rotated now.
    public func checkMeshKeyRotation() throws(SchedulerError) {
        guard !meshName.isEmpty else { throw .notFounded }
        guard let last = meshKeyReplacements.last else { return }
        let again = last.at + SchedulerLimits.rotationNanoseconds
        guard time >= again else {
            throw .rotatedJustNow(
                name: "mesh \(meshName)", at: Wording.clock(last.at, seenAt: time) + " UTC",
                again: Wording.clock(again, seenAt: time) + " UTC")
        }
    }

    /// Another key certifies hosts from here on. As with those of nodes, everybody who applies it looks at both signatures.
    mutating func rotateMeshKey(_ rotation: MeshKeyRotation, _ events: inout [StateEvent]) throws(SchedulerError) {
        // Asked again, because the answer was lost.
        if let last = meshKeyReplacements.last?.rotation, last.oldKey == rotation.oldKey, last.newKey == rotation.newKey
        {
            return
        }
        try checkMeshKeyRotation()
        guard currentMeshKey == rotation.oldKey else {
            throw .badRotation("the old key is not that of mesh \(meshName)")
        }
        do throws(TokenError) { try rotation.verify(mesh: meshKeyID) } catch { throw .badRotation(error.message) }
        guard memberKeys[rotation.newKey] == nil, revokedKeys[rotation.newKey] == nil, !isMeshKey(rotation.newKey),
            !issuerRows.contains(where: { $0.row.key == rotation.newKey })
        else { throw .badRotation("the new key is in use, or was") }
        meshKeyReplacements.append(MeshKeyReplacement(rotation, at: time))
        if meshKeyReplacements.count > MeshKeyRotation.countMax { meshKeyReplacements.removeFirst() }
        events.append(.meshKeyChanged)
    }

    private func isRevoked(issuer: String) -> Bool {
        tokenRevocationRows[.issuer(issuer)].map { $0.issuedBefore == nil } ?? false
    }

    /// One that was replaced long ago has issued nothing that could still be good.
    mutating func forgetReplacedIssuers() {
        guard issuerRows.count >= SchedulerLimits.issuersMax else { return }
        let oldest = time - SchedulerLimits.tokenKeptNanoseconds
        for (id, row) in issuerRows.map({ ($0.key, $0.row) }) {
            if let replaced = row.replaced, replaced.at < oldest { issuerRows.remove(id) }
        }
    }

    /// What a node has had as its keys is forgotten with it.
    mutating func forgetKeys(of record: NodeRecord) {
        for former in record.formerKeys where revokedKeys[former.key] == record.id { revokedKeys.remove(former.key) }
    }
}
