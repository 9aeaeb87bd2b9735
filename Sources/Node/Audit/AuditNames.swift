import Codec
import Scheduler
import Tokens

/// What a mesh's log of what happened and those who sign it are called (C2SP tlog-checkpoint, signed-note).
struct AuditNames {
    /// The origin line, and the name of the key that the leader of the moment signs with. After a recovery of the mesh it is
    /// another log: what was signed about entries that were lost then binds nobody.
    let origin: String

    init(mesh: KeyID, epoch: UInt64) {
        origin = "swarmlet.dev/\(mesh.text)" + (epoch > 0 ? "/\(epoch)" : "")
    }

    /// The name of a member's key under cosignatures.
    func witness(_ key: PublicKey) -> String { "\(origin)/\(key.id.text)" }

    /// Who has signed a note, of these nodes, the leader of then first.
    func signers(of note: SignedNote, among nodes: [NodeRecord]) -> (leader: NodeRecord?, witnesses: [NodeRecord]) {
        var leader: NodeRecord?
        var witnesses: [NodeRecord] = []
        for node in nodes {
            let keys = AuditNames.keys(of: node)
            if leader == nil, keys.contains(where: { note.isSigned(by: origin, $0) }) { leader = node }
            if keys.contains(where: { note.cosigned(by: witness($0), $0) != nil }) { witnesses.append(node) }
        }
        return (leader, witnesses)
    }

    /// The key of a node, and those that it had before: what they have signed is signed. Bytes that are no key sign nothing.
    private static func keys(of node: NodeRecord) -> [PublicKey] {
        let former = node.formerKeys.reversed().compactMap { former -> PublicKey? in
            do { return try PublicKey(bytes: former.key.array) } catch { return nil }
        }
        return (key(of: node).map { [$0] } ?? []) + former
    }

    static func key(of node: NodeRecord) -> PublicKey? {
        do { return try PublicKey(bytes: node.identityKey.array) } catch { return nil }
    }
}
