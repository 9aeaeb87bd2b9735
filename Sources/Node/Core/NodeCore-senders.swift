import Codec
import Mesh
import Scheduler
import Tokens

/// Who may put what before the mesh: asked by the leader, of each entry that another member sends.
///
/// A member speaks for itself and for those who asked it. What administrators do is done on hosts that may vote: whoever
/// owns one that only works, or only submits, is root there, and would be an administrator of all others. What follows
/// from time and leases is for the leader alone to say.
extension SchedulerState {
    /// Why the sender may not say this; nil where it may. What the entry speaks of and is not known here is for the state
    /// to refuse.
    func refusal(of entry: Entry, from sender: NodeID) -> SchedulerError? {
        guard let node = node(sender), node.presence != .left, node.revocation == nil else {
            return .notAMember(name(sender))
        }
        let refusal = Standing(state: self, node: node).refusal(of: entry.command)
        if refusal == nil, let actor = entry.actor, !mayBe(actor, of: entry.command, from: node) {
            return .notItsWord(node.name)
        }
        return refusal
    }

    /// People are known by the host that they asked; a guest by his key, where a guest may ask.
    private func mayBe(_ actor: String, of command: Command, from node: NodeRecord) -> Bool {
        if actor.utf8.reversed().starts(with: "@\(node.name)".utf8.reversed()) { return true }
        switch command {
        case .cancel(let id, _):
            if let job = job(id), job.spec.guest == nil { return false }
        case .revokeToken: break
        default: return false
        }
        do { _ = try KeyID(text: actor) } catch { return false }
        return true
    }

    private func name(_ id: NodeID) -> String { node(id)?.name ?? "\(id)" }

    /// Why what administrators do is not done on this host; nil where it is.
    func refusalOfAdministrators(at node: NodeRecord) -> SchedulerError? {
        guard node.role != .auto else { return nil }
        return .administratorsElsewhere(
            node: node.name, role: node.role.name,
            others: members.filter { $0.role == .auto && $0.presence == .present }.prefix(3).map(\.name))
    }
}

/// What one member may say.
private struct Standing {
    let state: SchedulerState
    let node: NodeRecord

    func refusal(of command: Command) -> SchedulerError? {
        switch command {
        case .found, .nodeLost, .nodeReturned, .place, .tick, .recovered, .raiseLevel: .notItsWord(node.name)
        case .updateNode(let about, _, _, _), .levels(let about, _), .report(let about, _), .absent(let about, _),
            .back(let about, _), .refusals(let about, _), .anchored(let about, _):
            own(about)
        case .submit(let spec): own(spec.submitNode)
        case .rotateKey(let rotation): own(rotation.node)
        case .checkpoint(let key, _), .results(let key, _), .rankReady(let key, _), .moveGang(let key): runs(key)
        case .holders(let job, let task, let checkpoint, let added):
            added == node.id ? nil : made(checkpoint, TaskKey(job: job, index: task))
        case .treeHeld(let tree, let holder): holder == node.id ? nil : holds(tree)
        case .issueToken(let token): signs(token)
        case .knock: nil
        case .standDown(let about, _), .drain(let about, _), .removeNode(let about):
            about == node.id ? nil : administrators
        case .cancel(let id, _), .pause(let id, _):
            state.job(id).map { $0.spec.submitNode == node.id } ?? true ? nil : administrators
        case .configure(let key, _, _): MeshSetting(rawValue: key) == nil ? nil : administrators
        case .revokeToken(let revocation):
            if case .token = revocation.subject { nil } else { administrators }
        case .admit, .approve, .revoke, .label, .addIssuer, .rotateIssuer, .rotateMeshKey, .raiseTokenEpoch,
            .invitationMade:
            administrators
        // Refused for what it is.
        case .unrecognised: nil
        }
    }

    private func own(_ about: NodeID) -> SchedulerError? { about == node.id ? nil : .notItsWord(node.name) }

    private var administrators: SchedulerError? { state.refusalOfAdministrators(at: node) }

    private func runs(_ key: AttemptKey) -> SchedulerError? {
        state.attempt(key).map { $0.node == node.id } ?? true ? nil : .notItsWord(node.name)
    }

    private func made(_ checkpoint: UInt64, _ key: TaskKey) -> SchedulerError? {
        guard let known = state.task(key)?.checkpoints.first(where: { $0.number == checkpoint }) else { return nil }
        return runs(AttemptKey(job: key.job, task: key.index, attempt: known.attempt))
    }

    private func holds(_ tree: Digest) -> SchedulerError? {
        let holders = state.holders(ofTree: tree)
        return holders.isEmpty || holders.contains(node.id) ? nil : .notItsWord(node.name)
    }

    private func signs(_ token: TokenRecord) -> SchedulerError? {
        let key = node.identityKey.array
        guard key.count == PublicKey.byteCount, PublicKey(admitted: key).id.text == token.issuer else {
            return .notItsWord(node.name)
        }
        return nil
    }
}
