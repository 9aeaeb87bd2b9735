import Codec
import Tokens

/// The log of what happened: what each committed entry did that somebody may have to answer for.
///
/// What an entry was refused is not in it: the daemon that was asked counts refusals, and commits the counts.
extension SchedulerState {
    /// From this level of the protocol on there is a tree.
    public static let auditLevel: UInt64 = 6

    /// Whether the mesh keeps a log of what happened.
    public var isAudited: Bool { level >= Self.auditLevel }
    /// The right edge of the tree of all events so far.
    public var auditFrontier: MerkleFrontier { audit.frontier }
    /// Events so far.
    public var auditSize: UInt64 { audit.frontier.size }
    public var auditRoot: Digest { audit.frontier.root }

    /// The lines of what happened since this was asked last, in their order. They are no part of what the state says.
    public mutating func takeAuditLines() -> [AuditLine] { audit.takeLines() }

    /// What the state was before an entry, as far as the log needs it.
    struct AuditBefore {
        var nextNode: UInt64
        var version: String?
    }

    func auditBefore(_ command: Command) -> AuditBefore {
        guard case .updateNode(let id, _, _, _) = command else { return AuditBefore(nextNode: nextNode, version: nil) }
        return AuditBefore(nextNode: nextNode, version: nodeRows[id]?.record.version)
    }

    /// Appends what the entry did.
    mutating func recordAudit(_ entry: Entry, _ answer: Answer, _ events: [StateEvent], since before: AuditBefore) {
        guard isAudited else { return }
        if case .refused = answer { return }
        if case .refusals(let node, let counts) = entry.command {
            for count in counts.prefix(SchedulerLimits.refusalCodesMax) where count.isPlain {
                audit.append(
                    AuditEvent(.refused, node: nodeName(node), code: count.code, count: count.count), at: time)
            }
            return
        }
        if let event = auditEvent(entry, answer, events, before) { audit.append(event, at: time) }
    }

    private func auditEvent(
        _ entry: Entry, _ answer: Answer, _ events: [StateEvent], _ before: AuditBefore
    ) -> AuditEvent? {
        let actor = entry.actor
        switch entry.command {
        case .invitationMade(let invitation):
            return AuditEvent(
                .invitationMade, actor: actor,
                about: "\(invitation.jti), \(invitation.uses) uses until \(RFC3339.format(invitation.expires))",
                tokens: [invitation.jti])
        case .anchored(let node, let chain):
            return AuditEvent(endOf: chain, keptBy: node, called: nodeName(node))
        case .issueToken(let token):
            return AuditEvent(
                .tokenCreated, actor: actor ?? token.issuer, about: token.allows, tokens: [token.name])
        case .submit(let spec): return submitted(spec, actor, answer, events)
        case .cancel(let job, let person):
            guard events.contains(.cancelRequested(job)) else { return nil }
            return AuditEvent(.jobCancelled, actor: actor ?? person, job: job)
        case .pause(let job, let person):
            guard events.contains(.pauseChanged(job)) else { return nil }
            return AuditEvent(person == nil ? .jobResumed : .jobPaused, actor: actor ?? person, job: job)
        case .recovered(let epoch, let tokenEpoch):
            let void = tokenEpoch == nil ? "" : ", tokens and invitations of before are void"
            return AuditEvent(.meshRecovered, about: "epoch \(epoch)\(void)")
        default:
            guard !events.isEmpty else { return nil }
            return changed(entry.command, actor, answer, before)
        }
    }

    private func submitted(
        _ spec: JobSpec, _ actor: String?, _ answer: Answer, _ events: [StateEvent]
    ) -> AuditEvent? {
        // The same request of the same guest gets the job that it got before.
        guard case .job(let job) = answer, events.contains(.jobSubmitted(job)) else { return nil }
        var event = AuditEvent(
            .jobSubmitted, actor: actor ?? "\(spec.user)@\(nodeName(spec.submitNode))", node: nodeName(spec.submitNode),
            about: spec.name.isEmpty ? nil : spec.name, job: job)
        if let pass = spec.guest {
            event.actor = pass.holder
            // He is given the line as a receipt, and no names of hosts.
            event.node = pass.member
            event.tokens = pass.names
            event.request = Hex.encode(pass.requestHash.array)
        }
        return event
    }

    private func changed(
        _ command: Command, _ actor: String?, _ answer: Answer, _ before: AuditBefore
    ) -> AuditEvent? {
        switch command {
        case .raiseLevel: return AuditEvent(.levelRaised, about: "level \(level)")
        case .admit(_, let invitation): return admitted(answer, actor ?? invitation?.issuer, invitation, before)
        case .approve: return admitted(answer, actor, nil, before)
        case .removeNode(let node): return AuditEvent(.memberRemoved, actor: actor, node: nodeName(node))
        case .revoke(let node, let person):
            return AuditEvent(.memberRevoked, actor: actor ?? person, node: nodeName(node))
        case .label(let node, let labels, let names):
            let changes = labels.map { "\($0.name)=\($0.value)" } + names.map { "\($0)-" }
            return AuditEvent(.nodeLabelled, actor: actor, node: nodeName(node), about: changes.joined(separator: ","))
        case .drain(let node, let order):
            let act: AuditEvent.Act =
                switch order?.kind {
                case .drain: .nodeDrained
                case .cordon: .nodeCordoned
                case nil: .nodeUncordoned
                }
            return AuditEvent(act, actor: actor ?? order?.by, node: nodeName(node))
        case .updateNode(let node, _, _, let version):
            guard before.version != version else { return nil }
            return AuditEvent(.nodeVersion, node: nodeName(node), about: version)
        case .configure(let key, let value, let person):
            // What users keep under their own keys is theirs, and may be secret or come a thousand times a second.
            guard MeshSetting(rawValue: key) != nil else { return nil }
            return AuditEvent(.settingChanged, actor: actor ?? person, about: "\(key)=\(value ?? "")")
        case .rotateKey(let rotation):
            return AuditEvent(
                .keyRotated, actor: actor, node: nodeName(rotation.node),
                about: "key \(Hex.encode(rotation.newKey.array)) was \(Hex.encode(rotation.oldKey.array))")
        case .rotateIssuer(let old, let issuer):
            let name = issuerRows[issuer.id]?.name ?? ""
            return AuditEvent(
                .keyRotated, actor: actor ?? issuer.by, about: "issuer \(name) key \(issuer.id) was \(old)")
        case .rotateMeshKey(let rotation):
            return AuditEvent(
                .keyRotated, actor: actor,
                about:
                    "mesh \(meshName) key \(Hex.encode(rotation.newKey.array)) was \(Hex.encode(rotation.oldKey.array))"
            )
        case .revokeToken(let revocation): return revoked(revocation, actor)
        case .addIssuer(let issuer):
            return AuditEvent(.issuerAdded, actor: actor ?? issuer.by, about: "\(issuer.id) \(issuer.name)")
        case .raiseTokenEpoch(let person):
            return AuditEvent(.tokensRevoked, actor: actor ?? person, about: "epoch \(tokenEpoch)")
        default: return nil
        }
    }

    /// A key that comes again is no new member.
    private func admitted(
        _ answer: Answer, _ actor: String?, _ invitation: InvitationUse?, _ before: AuditBefore
    ) -> AuditEvent? {
        guard case .node(let id, let name) = answer, id.rawValue >= before.nextNode, let row = nodeRows[id] else {
            return nil
        }
        return AuditEvent(
            .memberAdmitted, actor: actor.flatMap { $0.isEmpty ? nil : $0 }, node: name,
            about: "key \(Hex.encode(row.record.identityKey.array)) role \(row.record.role)",
            tokens: invitation.map { [$0.jti] } ?? [])
    }

    private func revoked(_ revocation: TokenRevocation, _ actor: String?) -> AuditEvent {
        let actor = actor ?? revocation.by
        let bound = revocation.issuedBefore.map { "issued before \(RFC3339.format($0.clampedToNanoseconds))" }
        switch revocation.subject {
        case .token(let name): return AuditEvent(.tokenRevoked, actor: actor, about: bound, tokens: [name])
        case .holder(let key):
            return AuditEvent(
                .holderRevoked, actor: actor, about: [key, bound].compactMap(\.self).joined(separator: " "))
        case .issuer(let key):
            return AuditEvent(
                .issuerRevoked, actor: actor, about: [key, bound].compactMap(\.self).joined(separator: " "))
        }
    }

    private func nodeName(_ id: NodeID) -> String { nodeRows[id]?.record.name ?? "\(id)" }

    /// Up to which size the tree counts that was last written in this epoch; nil: all of it.
    public func auditCounts(ofEpoch epoch: UInt64) -> UInt64? {
        guard epoch < recoveries else { return nil }
        let isWhole = recoveryLog.count < SchedulerLimits.recoveriesKept || recoveryLog[0].epoch <= epoch
        return isWhole ? recoveryLog.first { $0.epoch > epoch }?.auditSize ?? 0 : 0
    }
}

extension Int64 {
    /// Seconds since the Unix epoch as nanoseconds, or the nearest time that there is.
    fileprivate var clampedToNanoseconds: Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (self < 0 ? .min : .max) : product
    }
}
