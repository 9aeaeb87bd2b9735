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
            // A node whose key is none is no signer.
            guard let key = AuditNames.key(of: node) else { continue }
            if leader == nil, note.isSigned(by: origin, key) { leader = node }
            if note.cosigned(by: witness(key), key) != nil { witnesses.append(node) }
        }
        return (leader, witnesses)
    }

    static func key(of node: NodeRecord) -> PublicKey? {
        do { return try PublicKey(bytes: node.identityKey.array) } catch { return nil }
    }
}
