import Codec
import GPUBackend
import Ring
import Scheduler
import Tokens

/// Sees to it that this node goes by the keys that the replicated state says are its own. Confined to its loop.
///
/// While keys are rotated there are two sets (`OtherKeys`). Where the state names the other one, the daemon goes on as the
/// same program with that; jobs run on under their supervisors. The old set is deleted when every member has been
/// talked to with the new one: a member that was away knows this node by the old one until it has caught up.
final class KeyKeeper: @unchecked Sendable {
    private unowned let node: MeshNode
    private(set) var other: OtherKeys?
    /// Somebody asks for a rotation here, and is to have an answer before the daemon goes.
    private(set) var isAsked = false
    private var isTaking = false
    /// Members that this node has talked to by the keys in use.
    private var users: Set<NodeID> = []

    init(node: MeshNode) {
        self.node = node
        other = node.identity.other
        // Members connect before the node has begun.
        node.peers.onKnown = { [unowned self] member, key in used(key, with: member) }
    }

    /// Before the node begins: whether its daemon is to go on with the other keys, which its log says are its own.
    func takeBeforeStart() throws -> Bool {
        guard let other, let record = node.state.node(node.id),
            record.identityKey.array == other.signingKey.publicKey.bytes
        else { return false }
        isTaking = true
        try OtherKeys.beginTaking(node.directory)
        return true
    }

    /// Of a rotation that is over but for this.
    var membersToCome: [NodeRecord] {
        guard isOfBefore else { return [] }
        return node.state.members.filter {
            $0.id != node.id && $0.revocation == nil && !users.contains($0.id)
        }
    }

    /// Whether the other keys are those of before.
    private var isOfBefore: Bool {
        guard let other, let record = node.state.node(node.id) else { return false }
        return record.formerKeys.contains { $0.key.array == other.signingKey.publicKey.bytes }
    }

    /// One rotation at a time.
    func begin() throws(NodeError) {
        guard !isAsked, !isTaking else { throw .rotationUnderWay(node: node.views.nodeName(node.id), waitsFor: []) }
        let missing = membersToCome.map(\.name)
        guard missing.isEmpty else {
            throw .rotationUnderWay(node: node.views.nodeName(node.id), waitsFor: missing)
        }
        isAsked = true
    }

    /// The answer is on its way.
    func answered() {
        isAsked = false
        check()
    }

    /// Keys to come: they are durable before anybody hears of them.
    func keep(_ keys: OtherKeys) throws {
        try keys.save(node.directory, node.identity.lock)
        use(keys)
    }

    /// The mesh did not want them.
    func drop() throws {
        try OtherKeys.delete(node.directory)
        use(nil)
    }

    private func use(_ keys: OtherKeys?) {
        other = keys
        node.peers.otherKey = keys?.noiseKey
        node.onKeysChanged?()
    }

    /// There is a session with this member.
    private func used(_ key: [UInt8], with member: NodeID) {
        guard other != nil, key == node.identity.noiseKey.publicKey else { return }
        users.insert(member)
        check()
    }

    /// The state may say something else than before.
    func check() {
        guard let other, !isAsked, !isTaking, node.isRunning, let record = node.state.node(node.id) else { return }
        if record.identityKey.array == other.signingKey.publicKey.bytes {
            isTaking = true
            node.loop.spawn("take the other keys") { [self] in await take() }
        } else if isOfBefore, membersToCome.isEmpty {
            do {
                try drop()
                node.log.note("every member has used the new key of this node; the old one is deleted")
            } catch {
                node.log.warning("the old key of this node is still there: \(APIFailure(error).message)")
            }
        }
    }

    private func take() async {
        do {
            // Where nobody leads, nobody has to be asked to wait: this daemon has just begun.
            if node.driver.core.raft.leader != nil { await UpgradeService.sayAbsence(node) }
            guard node.isRunning else { return }
            try OtherKeys.beginTaking(node.directory)
            node.log.note("this node has other keys in the mesh from here on")
            node.onRestart?(Executable.path)
        } catch {
            isTaking = false
            node.log.warning("the other keys of this node are not in use yet: \(APIFailure(error).message)")
        }
    }
}
