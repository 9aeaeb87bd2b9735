import Codec

/// What entries may mean, and what a recovery changes.
extension SchedulerState {
    /// From that level on certificates and issuers have an end.
    public static let endsLevel: UInt64 = 7
    /// From that level on a member states, signed, what the person may do who asks for what is not everybody's.
    public static let rolesLevel: UInt64 = 7
    /// From that level on the session key of a revoked host is refused with any identity.
    public static let sessionKeysLevel: UInt64 = 8
    /// From that level on a recovery voids what was issued before it.
    public static let recoveryVoidsLevel: UInt64 = 8
    /// From that level on the mesh knows of an issued token who holds it, when it was signed, and in which epoch.
    public static let signedTokensLevel: UInt64 = 8
    /// From that level on the log of what happened says where the nodes' own logs end.
    public static let anchorsLevel: UInt64 = 9
    /// From that level on no member runs a program at another's word that is not signed.
    public static let programsLevel: UInt64 = 8

    mutating func setLevels(
        of id: NodeID, _ levels: ProtocolLevels, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.levels != levels else { return }
        nodeRows[position].record.levels = levels
        events.append(.nodeChanged(id))
    }

    /// Refuses a node that does not speak what is spoken here.
    func checkLevels(_ node: NodeRecord) throws(SchedulerError) {
        guard node.levels.highest >= level else { throw .levelTooOld(node: node.levels, mesh: level) }
        guard node.levels.lowest <= level else { throw .levelTooNew(node: node.levels, mesh: level) }
    }

    mutating func raise(to level: UInt64, _ events: inout [StateEvent]) {
        guard level > self.level else { return }
        self.level = level
        events.append(.levelRaised(level))
    }

    /// Jobs and nodes that were numbered after what this state knows may still be remembered, or even run, elsewhere.
    mutating func recovered(_ epoch: UInt64, _ tokenEpoch: UInt64?, _ events: inout [StateEvent]) {
        if let tokenEpoch { voidWhatWasIssued(before: tokenEpoch, &events) }
        if epoch > recoveries {
            recoveries = epoch
            if recoveryLog.count >= SchedulerLimits.recoveriesKept { recoveryLog.removeFirst() }
            recoveryLog.append(
                Recovery(
                    epoch: epoch, archivedCount: archivedCount, auditSize: auditSize,
                    tokenEpoch: tokenEpoch == nil ? invitationEpoch : self.tokenEpoch))
        }
        nextJob += Self.numbersSkipped
        nextNode += Self.numbersSkipped
    }

    /// What was used or withdrawn after all that this state knows would be good again.
    private mutating func voidWhatWasIssued(before epoch: UInt64, _ events: inout [StateEvent]) {
        tokenEpoch = max(tokenEpoch + 1, epoch)
        // Of one that was withdrawn since nothing is known either, and it may write any epoch into what it signs.
        let over = time - SchedulerLimits.tokenSkewNanoseconds - 1_000_000_000
        for (id, issuer) in issuerRows.map({ ($0.key, $0.row) }) {
            var issuer = issuer
            issuer.expires = min(issuer.expires ?? over, over)
            issuerRows.set(id, issuer)
        }
        events += [.tokensChanged, .tokenEpochRaised(by: "raft recover")]
    }

    /// Invitations of an earlier one admit nobody: they were made before the mesh was recovered.
    public var invitationEpoch: UInt64 { recoveryLog.last?.tokenEpoch ?? 0 }

    /// Up to which number the jobs in a history count that was last written in this epoch; nil: all of them.
    public func historyCounts(ofEpoch epoch: UInt64) -> UInt64? {
        guard epoch < recoveries else { return nil }
        let isWhole = recoveryLog.count < SchedulerLimits.recoveriesKept || recoveryLog[0].epoch <= epoch
        return isWhole ? recoveryLog.first { $0.epoch > epoch }?.archivedCount ?? 0 : 0
    }

    private static let numbersSkipped: UInt64 = 1_000
}

extension AttemptReport {
    fileprivate var level: UInt64 {
        if case .ended(.diskLimit) = kind { return 6 }
        if setup != nil || usage?.gpu != nil { return 4 }
        if usage != nil { return 3 }
        switch kind {
        case .ended(.gangEnded): return 3
        case .ended(.deviceFailed): return 2
        default: return 1
        }
    }
}

extension Command {
    private static func level(of spec: JobSpec) -> UInt64 {
        if spec.gang?.usesMPI ?? false { return 7 }
        if spec.diskBytes != nil { return 6 }
        if spec.guest != nil || spec.hasInput || spec.sandbox?.needsLevel4 ?? false { return 4 }
        return spec.gang != nil ? 3 : spec.sandbox != nil ? 2 : 1
    }

    /// The lowest level of the mesh at which this may be put into the log; nil for what this program does not know.
    public var level: UInt64? {
        switch self {
        case .unrecognised: nil
        // A host that does not know of sandboxes would run it without.
        case .submit(let spec): Command.level(of: spec)
        case .updateNode(_, _, let capacity, _): capacity.level
        case .report(_, let reports): reports.reduce(1) { max($0, $1.level) }
        case .pause, .label, .rankReady: 3
        case .issueToken(let token):
            token.signed != nil ? SchedulerState.signedTokensLevel : token.root == nil ? 4 : 6
        case .addIssuer(let issuer): issuer.ttlSeconds == nil && issuer.expires == nil ? 4 : SchedulerState.endsLevel
        case .revokeToken, .raiseTokenEpoch: 4
        case .absent, .back, .moveGang: 5
        case .refusals, .invitationMade: SchedulerState.auditLevel
        case .anchored: SchedulerState.anchorsLevel
        case .rotateKey, .rotateIssuer, .rotateMeshKey: SchedulerState.rotationLevel
        case .configure(let key, _, _): MeshSetting(rawValue: key)?.level ?? 1
        default: 1
        }
    }
}
