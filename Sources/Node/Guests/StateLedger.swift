import Codec
import Scheduler
import Tokens

/// What the replicated state says of issuers and revocations, for a verification.
struct StateLedger: AccessLedger {
    /// A key that is or was a node's.
    struct NodeKey: Hashable {
        let node: NodeID
        let key: Bytes
    }

    let state: SchedulerState
    /// Which nodes have had which keys, by the ids of these.
    let nodes: [KeyID: NodeKey]

    var epochMin: Int64 { Int64(clamping: state.tokenEpoch) }

    /// A member that may admit others may let guests in, too; whoever was removed or revoked may not.
    func issuer(_ id: KeyID) -> AccessIssuer? {
        if let known = nodes[id] {
            guard let node = state.node(known.node), node.presence != .left, node.revocation == nil, node.role == .auto
            else { return nil }
            let key = PublicKey(admitted: known.key.array)
            if node.identityKey == known.key { return AccessIssuer(key: key, name: node.name) }
            guard let former = node.formerKeys.first(where: { $0.key == known.key }) else { return nil }
            return AccessIssuer(
                key: key, name: node.name,
                replacement: AccessIssuer.Replacement(
                    at: former.replacedAt / 1_000_000_000, until: former.believedUntil / 1_000_000_000,
                    isRecordedOnly: true))
        }
        guard let record = state.issuer(id.text), record.key.array.count == PublicKey.byteCount else { return nil }
        return AccessIssuer(
            key: PublicKey(admitted: record.key.array), name: record.name,
            lifetime: Int64(clamping: record.lifetimeSeconds), expires: record.expires.map { $0 / 1_000_000_000 },
            replacement: record.replaced.map {
                // What it has issued by then runs out by itself.
                AccessIssuer.Replacement(at: $0.at / 1_000_000_000, until: .max, isRecordedOnly: false)
            })
    }

    func hasMade(root: Digest, named name: String) -> Bool { state.hasMade(root: root, named: name) }
    func accepts(root: Digest, named name: String) -> Bool { state.accepts(root: root, named: name) }

    func revocation(_ subject: AccessSubject) -> AccessRevocation? {
        let wanted: TokenRevocation.Subject =
            switch subject {
            case .token(let name): .token(name)
            case .holder(let key): .holder(key.text)
            case .issuer(let key): .issuer(key.text)
            }
        return state.tokenRevocation(wanted).map {
            AccessRevocation(by: $0.by, at: $0.at / 1_000_000_000, issuedBefore: $0.issuedBefore)
        }
    }
}
