import Codec

/// The replicated state of a mesh: who belongs to it, what was asked, what runs where.
///
/// Every member applies the same entries in the same order and so holds the same value; `apply` is total and
/// deterministic and depends on nothing but the state and the entry. It decides nothing about policy: the leader
/// decides placements and losses and proposes them, `apply` only checks that they are still possible. What it makes
/// sure of, whatever is proposed:
/// - a task has at most one attempt that has not ended;
/// - what the attempts of a node hold together fits into what it offered when they were placed;
/// - a task of an unfinished job is always in exactly one state, and no entry loses it;
/// - an entry whose request id was seen has no second effect and gets the same answer.
public struct SchedulerState: Sendable {
    /// Nanoseconds since the Unix epoch of the newest entry; never goes back.
    public internal(set) var time: Int64 = 0
    /// Empty until the mesh was founded.
    public internal(set) var meshName = ""
    public internal(set) var meshKeyID = ""
    /// The public key that founded the mesh, and names it.
    public internal(set) var meshKey = Bytes([])
    /// Which keys have certified its hosts since, the newest last: from each to the next, as far as they are remembered.
    public internal(set) var meshKeyReplacements: [MeshKeyReplacement] = []
    /// Reports that came about attempts which were superseded.
    public internal(set) var staleReports: UInt64 = 0
    /// Tasks that wait for a place.
    public internal(set) var pendingCount = 0
    /// Nodes that wait to be approved, in the order they knocked.
    public internal(set) var knocks: [Knock] = []

    var nodeRows = PagedTable<NodeID, NodeRow>()
    var memberNames = PagedTable<String, NodeID>()
    var memberKeys = PagedTable<Bytes, NodeID>()
    /// Keys that are never admitted again, and the node that each was of: those of revoked nodes, and former ones.
    var revokedKeys = PagedTable<Bytes, NodeID>()
    /// The session keys of revoked nodes. Derived.
    var revokedSessionKeys = PagedTable<Bytes, NodeID>()
    /// Nodes that left, in that order; the oldest are forgotten.
    var departedOrder: [NodeID] = []
    var nextNode: UInt64 = 1
    var invitationRows = PagedTable<String, InvitationRecord>()
    var jobRows = PagedTable<JobID, JobRow>()
    var nextJob: JobID = 1
    /// Jobs with tasks that wait for a place.
    var waiting = PagedTable<JobID, Nothing>()
    /// Ended jobs in the order they ended, numbered; the oldest are forgotten.
    var endedOrder = PagedTable<UInt64, JobID>()
    var endedTasks = 0
    var unfinishedTasks = 0
    /// Unfinished jobs of guests, by the roots of their tokens. Derived.
    var guestJobs = PagedTable<String, Int>()
    var treeRows = PagedTable<Digest, TreeRow>()
    /// What was set; where nothing was, a setting has its default.
    var settingRows = PagedTable<String, SettingRecord>()
    var userSettings = 0
    var issuerRows = PagedTable<String, IssuerRecord>()
    var tokenRows = PagedTable<String, TokenRecord>()
    var tokenRevocationRows = PagedTable<TokenRevocation.Subject, TokenRevocation>()
    /// Tokens of an earlier one are believed no more.
    public internal(set) var tokenEpoch: UInt64 = 0
    /// How often nodes have got other keys: whoever keeps what follows from the keys looks at it.
    public internal(set) var keyRotations: UInt64 = 0
    /// What entries may mean (`ProtocolLevels`).
    public internal(set) var level: UInt64 = 1
    /// How often the mesh was recovered from one node.
    public internal(set) var recoveries: UInt64 = 0
    /// The newest recoveries, ascending.
    var recoveryLog: [Recovery] = []
    /// Lost and departed nodes whose attempts are being given up, and the first that has not been looked at.
    var sweeps = PagedTable<NodeID, AttemptKey>()
    /// Members that are lost. Derived.
    var lostNodes = PagedTable<NodeID, Nothing>()
    /// How many jobs have left; the number of the last of them.
    public internal(set) var archivedCount: UInt64 = 0
    /// Those that left and have not been taken. Not part of what the state says.
    var archived: [ArchivedJob] = []
    /// How many ended jobs stay, and how long. Derived from the settings.
    var retention = JobRetention()
    var requests = RequestMemory()
    /// The tree of the log of what happened.
    var audit = AuditTree()

    public init() {}

    /// The answer for the one who proposed the entry, and what it changed, in order.
    public mutating func apply(_ entry: Entry) -> (answer: Answer, events: [StateEvent]) {
        time = max(time, entry.time)
        if let answer = requests.answer(to: entry.request) { return (answer, []) }
        var events: [StateEvent] = []
        var answer: Answer
        let before = auditBefore(entry.command)
        do {
            answer = try perform(entry.command, entry.placements, &events)
        } catch {
            answer = Answer(error)
            if case .submit(let spec) = entry.command, let name = spec.guest?.names.last {
                events.append(.tokenRefused(name: name, code: error.code))
            }
            if case .admit(let node, let use?) = entry.command, case .tokenUsed = error {
                events.append(
                    .invitationReused(jti: use.jti, key: node.identityKey, name: node.name, from: use.from))
            }
        }
        recordAudit(entry, answer, events, since: before)
        if entry.command != .tick { requests.remember(entry.request, answer, at: time) }
        sweepSome(&events)
        forgetOldJobs(&events)
        forgetOldKnocks()
        return (answer, events)
    }

    private mutating func perform(
        _ command: Command, _ placements: [Placement], _ events: inout [StateEvent]
    ) throws(SchedulerError) -> Answer {
        switch command {
        case .found(let meshName, let meshKeyID, let meshKey, let node):
            return try found(meshName, meshKeyID, meshKey, node, &events)
        case .admit(let node, let invitation): return try admit(node, invitation, &events)
        case .knock(let knock): return try self.knock(knock, &events)
        case .approve(let who): return try approve(who, &events)
        case .updateNode(let node, let addresses, let capacity, let version):
            try updateNode(node, addresses, capacity, version, &events)
        case .nodeLost(let node): try nodeLost(node, &events)
        case .nodeReturned(let node): try nodeReturned(node, &events)
        case .removeNode(let node): try removeNode(node, &events)
        case .submit(let spec):
            if let pass = spec.guest, let job = try started(with: pass) { return .job(job) }
            let job = try submit(spec, &events)
            place(placements.map { $0.of(job) }, &events)
            return .job(job)
        case .place(let placements): place(placements, &events)
        case .report(let node, let reports): for report in reports { self.report(report, from: node, &events) }
        case .cancel(let job, let person): try cancel(job, by: person, &events)
        case .checkpoint(let attempt, let checkpoint): try record(checkpoint, of: attempt, &events)
        case .holders(let job, let task, let checkpoint, let added):
            try addHolder(added, toCheckpoint: checkpoint, of: TaskKey(job: job, index: task), &events)
        case .results(let attempt, let files): try record(files, of: attempt, &events)
        case .treeHeld(let tree, let node): try treeHeld(tree, by: node, &events)
        case .configure(let key, let value, let person): try configure(key, value, by: person, &events)
        case .standDown(let node, let isDown): try standDown(node, isDown, &events)
        case .recovered(let epoch, let tokenEpoch): recovered(epoch, tokenEpoch, &events)
        case .levels(let node, let levels): try setLevels(of: node, levels, &events)
        case .raiseLevel(let level): raise(to: level, &events)
        case .drain(let node, let order): try drain(node, order, &events)
        case .label(let node, let labels, let names): try label(node, set: labels, removed: names, &events)
        case .revoke(let node, let person): try revoke(node, by: person, &events)
        case .pause(let job, let person): try pause(job, by: person, &events)
        case .rankReady(let attempt, let meeting): try rankReady(attempt, meeting, &events)
        case .issueToken(let token): try issue(token, &events)
        case .revokeToken(let revocation): try revoke(revocation, &events)
        case .addIssuer(let issuer): try add(issuer, &events)
        case .raiseTokenEpoch(let person): raiseTokenEpoch(by: person, &events)
        case .absent(let node, let absence): try absent(node, absence, &events)
        case .back(let node, let absence): try back(node, absence, &events)
        case .moveGang(let attempt): try moveGang(attempt, &events)
        // They change nothing but the log of what happened.
        case .refusals(let node, _), .anchored(let node, _): _ = try memberPosition(node)
        case .invitationMade(let invitation):
            guard invitation.jti.utf8.count <= SchedulerLimits.tokenNameBytesMax else { throw .badToken }
        case .rotateKey(let rotation): try rotate(rotation, &events)
        case .rotateIssuer(let old, let issuer): try rotate(old, to: issuer, &events)
        case .rotateMeshKey(let rotation): try rotateMeshKey(rotation, &events)
        case .tick: break
        case .unrecognised: throw .unrecognised
        }
        return .ok
    }
}

/// The row of a table that is only a set of keys.
struct Nothing: Sendable {}
