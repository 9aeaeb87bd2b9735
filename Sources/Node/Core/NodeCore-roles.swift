import Codec
import Scheduler
import Tokens

/// What a person has to be for a command: asked by the leader, of each entry of its own host and of other members.
///
/// Who somebody is, and in which groups, is known at the host alone at which he asks. That host states it, signed by the
/// key of its identity, for the one entry. The leader believes the statement, as nobody else could know; without it, or
/// where it does not go far enough, nothing gets into the log.
extension SchedulerState {
    /// Why the leader does not take this entry of that member by who asks for it; nil where it does.
    func refusal(ofWhoAsksFor entry: Entry, at sender: NodeID) -> SchedulerError? {
        guard level >= SchedulerState.rolesLevel, let node = node(sender),
            let needed = roleNeeded(for: entry, at: node)
        else { return nil }
        guard let actor = entry.actor, let statement = entry.statement, states(statement, of: entry, node) else {
            return .roleNotStated(node: node.name)
        }
        guard needed == .user || statement.role == .administrator else {
            return .notAnAdministrator(actor: actor, node: node.name)
        }
        return nil
    }

    private func states(_ statement: RoleStatement, of entry: Entry, _ node: NodeRecord) -> Bool {
        let digest = entry.askedDigest
        return keys(of: node).contains { statement.isSigned(by: $0, about: digest, mesh: meshKeyID) }
    }

    /// Why the leader of that term does not hand over at a member's word; nil where it does.
    func refusal(
        of request: LeadershipRequest?, from sender: NodeID, leadingIn term: UInt64
    ) -> SchedulerError? {
        guard let node = node(sender), node.presence != .left, node.revocation == nil else {
            return .notAMember(node(sender)?.name ?? "\(sender)")
        }
        guard level >= SchedulerState.programsLevel else { return nil }
        if let refusal = refusalOfAdministrators(at: node) { return refusal }
        guard let request, request.term == term,
            keys(of: node).contains(where: {
                request.statement.isSigned(by: $0, about: request.asked, mesh: meshKeyID)
            })
        else { return .roleNotStated(node: node.name) }
        guard request.statement.role == .administrator else {
            return .notAnAdministrator(actor: request.actor, node: node.name)
        }
        return nil
    }

    /// By which it may sign. A host whose key was replaced a moment ago may have signed by the one before: its daemon goes
    /// over after the entry.
    func keys(of node: NodeRecord) -> [PublicKey] {
        let former = node.formerKeys.last.flatMap { time < $0.believedUntil ? $0.key : nil }
        return [node.identityKey, former].compactMap { key in
            guard let key = key?.array, key.count == PublicKey.byteCount else { return nil }
            return PublicKey(admitted: key)
        }
    }

    /// What a person has to be at that member to ask for this there; nil where no person has to ask.
    func roleNeeded(for entry: Entry, at node: NodeRecord) -> PersonRole? {
        switch entry.command {
        // Nodes say it by themselves, of what they see, hold, run, and are. Who joins has shown an invitation.
        case .found, .admit, .knock, .updateNode, .nodeLost, .nodeReturned, .place, .report, .checkpoint, .holders,
            .results, .treeHeld, .tick, .recovered, .levels, .raiseLevel, .rankReady, .absent, .back, .moveGang,
            .refusals, .anchored:
            nil
        // Whoever may use a host at all may ask there. Jobs run under the name of who submits, tokens are signed.
        case .submit, .issueToken: nil
        // Signed by both keys of the node for itself, and the first of them may be no member's when it is asked again.
        case .rotateKey: nil
        // A node stands down and leaves by itself; the rest is done to it.
        case .standDown(let about, _), .removeNode(let about): about == node.id ? nil : .administrator
        case .configure(let key, _, _): MeshSetting(rawValue: key) == nil ? nil : .administrator
        case .cancel(let id, _), .pause(let id, _): roleNeeded(for: id, asked: entry.actor, at: node)
        case .revokeToken(let revocation):
            isOwn(revocation, of: entry.actor, at: node) ? .user : .administrator
        case .approve, .invitationMade, .drain, .revoke, .label, .addIssuer, .rotateIssuer, .rotateMeshKey,
            .raiseTokenEpoch:
            .administrator
        // Refused for what it is.
        case .unrecognised: nil
        }
    }

    /// People own what was submitted under their name, at whichever host; a guest's token was looked at by the member that
    /// he asked. What is not known is for the state to refuse.
    private func roleNeeded(for id: JobID, asked actor: String?, at node: NodeRecord) -> PersonRole? {
        guard let spec = job(id)?.spec else { return nil }
        let isOwn = spec.guest == nil ? actor == "\(spec.user)@\(node.name)" : actor.map(isGuest) ?? false
        return isOwn ? .user : .administrator
    }

    /// Whoever has made a token here withdraws it, and a guest the one that he has shown.
    private func isOwn(_ revocation: TokenRevocation, of actor: String?, at node: NodeRecord) -> Bool {
        guard let actor, case .token(let name) = revocation.subject else { return false }
        if isGuest(actor) { return true }
        let place = "@\(node.name)"
        guard actor.hasSuffix(place), let token = token(name) else { return false }
        return token.madeBy == "\(actor.dropLast(place.count)) on \(node.name)"
    }

    private func isGuest(_ actor: String) -> Bool {
        do { _ = try KeyID(text: actor) } catch { return false }
        return true
    }
}

extension NodeCore {
    /// Whether this node, which leads, takes its own entry by who asks for it; where it does not, that is answered.
    mutating func mayAsk(for entry: Entry, into effects: inout [NodeEffect]) -> Bool {
        guard let refusal = state.refusal(ofWhoAsksFor: entry, at: id) else { return true }
        // The state here may be older than what it speaks of: then it is asked again.
        guard raft.isReadyLeader, unapplied.isEmpty else { return false }
        _ = proposals.remove(entry.request)
        effects += [.answered(entry.request, Answer(refusal)), .denied(id, refusal)]
        return false
    }
}
