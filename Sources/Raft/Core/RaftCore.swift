import Codec

/// One node's part in keeping a log that all voters agree on.
///
/// It decides who leads, what the log holds and what is committed; it follows Ongaro and Ousterhout, "In Search of an
/// Understandable Consensus Algorithm" (2014), and Ongaro's thesis for pre-votes (9.6), leadership transfer (3.10) and
/// reads (6.4). It never does anything itself: time, messages and confirmations of the disk come in as inputs, what is to
/// be done goes out as effects. What holds after every input (see `checkInvariants`):
///
/// - a message leaves only when what it promises is on disk: a vote, an acknowledged entry, the term it carries;
/// - only an entry of the leader's own term is committed by counting, and everything before it with it;
/// - a membership is in force from its append on, and gives way when its entry is cut away;
/// - a log that lost acknowledged entries (`RaftRestored.isDamaged`) takes part in no election until it is repaired.
///
/// One call of `handle` is one turn: give it everything that arrived together, and it answers with one write to the disk
/// and as few messages as possible.
public struct RaftCore: Sendable {
    public let id: NodeID
    public let configuration: RaftConfiguration

    // MARK: Durable state (Raft, figure 2)

    /// Term, vote, role and log, which only the steps at the end of this file change.
    private var standing: Standing
    var disk: DiskView
    /// A snapshot that the next write has to carry, and whether it replaces the log.
    var snapshotToWrite: SnapshotWrite?

    enum SnapshotWrite: Sendable {
        case taken, installed
    }

    // MARK: Volatile state

    /// The leader of `term`, where known.
    public internal(set) var leader: NodeID?
    /// Everything up to here is decided for good. `snapshot <= applied <= commit <= last`.
    public internal(set) var commitIndex: UInt64
    /// The last entry handed out by `apply` (or part of a snapshot).
    public internal(set) var appliedIndex: UInt64
    var memberships: MembershipHistory
    /// The latest `now`; time given to a core never runs backwards.
    var now: Instant
    var generator: SeededGenerator
    var isStopped = false

    // MARK: Follower and candidate

    /// The time of this term between `electionTimeoutMinimum` and `Maximum`.
    var electionTimeout: Interval
    var electionDeadline: Instant
    /// When the leader was last heard; nil once it is known to be gone.
    var leaderHeardAt: Instant?
    /// When this node last promised a leader not to help another one into office; only kept for leases.
    var promisedAt: Instant?
    /// Answers to the election under way, by voter.
    var ballots: [(voter: NodeID, isGranted: Bool)] = []
    var isTransferElection = false

    // MARK: Leader

    /// Every other member, sorted.
    var peers: [Progress] = []
    /// The first entry of this leader's term.
    var firstIndexOfTerm: UInt64 = 0
    var heartbeatDeadline = Instant.distantFuture
    /// Regular heartbeats since learners that have everything got one.
    var quietHeartbeats = 0
    var uncommittedWeight = 0
    var transfer: (target: NodeID, deadline: Instant)?
    var reads = ReadQueue()

    // MARK: One turn's outcome

    /// What this turn has led to so far; empty between turns.
    var effects: [RaftEffect] = []
    /// What is said after everything else of the turn.
    var answers: [RaftEffect] = []
    /// Messages that wait until `token` is durable, by token.
    var held: [(token: UInt64, send: RaftEffect)] = []
    var restoredSnapshot: RaftSnapshot?
    /// Steps that somebody wants to see; nil where nobody does.
    var trace: TraceKeeper?
    var announced: (role: RaftRole, term: UInt64, leader: NodeID?)
    /// `memberships.revision` as last announced.
    var announcedRevision: UInt64?
    var isSnapshotWanted = false
    /// This node's own snapshot cannot be read: none is sent before there is another.
    var isSnapshotBroken = false
    /// None is asked for before.
    var nextSnapshotAt = Instant.zero

    /// A node as its disk has it. The caller has restored its state machine from `restored.snapshot` and brought it to
    /// `restored.appliedIndex`; the entries after that are handed out again by `apply`.
    public init(
        id: NodeID, restored: RaftRestored, configuration: RaftConfiguration = RaftConfiguration(), seed: UInt64,
        now: Instant
    ) {
        self.id = id
        self.configuration = configuration
        self.now = now
        generator = SeededGenerator(seed: seed)
        standing = Standing(restored)
        let log = standing.log
        commitIndex = max(log.snapshotIndex, min(restored.hardState.commitIndex, log.lastIndex))
        precondition(restored.appliedIndex <= commitIndex, "entries were applied that are not decided")
        appliedIndex = max(log.snapshotIndex, restored.appliedIndex)
        memberships = MembershipHistory(log)
        disk = DiskView(lastIndex: log.lastIndex)
        // What was promised before a crash is not known: keep it as if it had been promised now.
        promisedAt = configuration.readsFromLease ? now : nil
        announced = (.follower, 0, nil)
        electionTimeout = configuration.electionTimeoutMaximum
        electionDeadline = now
        drawElectionTimeout()
        // Nobody else can lead a mesh of one: there is nothing to wait for.
        electionDeadline =
            memberships.latest.voters == [id] && !memberships.latest.isJoint ? now : now + electionTimeout
    }

    // MARK: The one way in

    public mutating func handle(_ input: RaftInput, at now: Instant, into effects: inout [RaftEffect]) {
        turn(at: now, into: &effects) { core in core.step(input) }
    }

    /// Everything that arrived together, as one turn.
    public mutating func handle(_ inputs: [RaftInput], at now: Instant, into effects: inout [RaftEffect]) {
        turn(at: now, into: &effects) { core in
            for position in inputs.indices { core.step(inputs[position]) }
        }
    }

    @inline(__always)
    private mutating func turn(at now: Instant, into effects: inout [RaftEffect], _ take: (inout RaftCore) -> Void) {
        guard !isStopped else { return }
        self.now = max(self.now, now)
        // What happens is written where the caller wants it, and not copied there afterwards.
        swap(&effects, &self.effects)
        take(&self)
        finishTurn()
        swap(&effects, &self.effects)
    }

    private mutating func step(_ input: RaftInput) {
        guard !isStopped else { return }
        switch input {
        case .timer: role == .leader ? leaderTimer() : electionTimer()
        case .received(let from, let message): received(message, from: from)
        case .propose(let request, let entry): propose(request, entry)
        case .read(let request): read(request)
        case .change(let request, let voters, let learners, let staysJoint):
            change(request, voters: voters, learners: learners, staysJoint: staysJoint)
        case .leaveJoint(let request): leaveJoint(request)
        case .transfer(let target): startTransfer(to: target)
        case .persisted(let tokens): persisted(tokens)
        case .diskFailed(let reason): stop(.diskFailed(reason))
        case .snapshotTaken(let snapshot): snapshotTaken(snapshot)
        case .snapshotFailed: snapshotFailed()
        case .snapshotBroken(let index): snapshotBroken(index)
        case .snapshotStored(let snapshot, let nextOffset): snapshotStored(snapshot, nextOffset: nextOffset)
        case .snapshotArrived(let snapshot): snapshotArrived(snapshot)
        case .unreachable(let peer): unreachable(peer)
        case .compact: compact()
        }
    }

    /// Terms are compared here, once, for all messages (Raft, section 5.1).
    private mutating func received(_ message: RaftMessage, from sender: NodeID) {
        switch message {
        case .voteRequest(let request):
            return voteRequested(request, by: sender)
        case .voteResponse(let response):
            noteReceived(message, from: sender)
            return voteAnswered(response, by: sender)
        default:
            noteReceived(message, from: sender)
        }
        if message.term > term { becomeFollower(term: message.term, leader: message.isFromLeader ? sender : nil) }
        guard message.term == term else {
            // A leader whose term is over learns so from any answer with a later term.
            if case .heartbeat(let heartbeat) = message, has(.heartbeatWithStaleTerm) {
                return heartbeatOfStaleTerm(heartbeat, from: sender)
            }
            if message.isFromLeader { rejectOldLeader(sender) }
            return
        }
        switch message {
        case .voteRequest, .voteResponse: break
        case .append(let append): appendReceived(append, from: sender)
        case .heartbeat(let heartbeat): heartbeatReceived(heartbeat, from: sender)
        case .snapshot(let message): snapshotReceived(message.piece, from: sender)
        case .appendResponse(let response): appendAnswered(response, by: sender)
        case .heartbeatResponse(let response): heartbeatAnswered(response, by: sender)
        case .snapshotResponse(let response): snapshotAnswered(response, by: sender)
        case .timeoutNow: timeoutNowReceived(from: sender)
        }
    }

    private mutating func unreachable(_ peer: NodeID) {
        if role == .leader {
            if let position = position(of: peer) { peers[position].lostContact() }
        } else if role == .follower, leader == peer {
            // Its process is gone, so nothing is disturbed by asking soon; others that still hear it will refuse. Where it
            // may be alive behind a broken connection and read from its lease, the promise to it holds.
            guard !configuration.readsFromLease else { return }
            leaderHeardAt = nil
            let longest = configuration.lostLeaderTimeoutMaximum
            electionDeadline = min(electionDeadline, now + random(between: longest / 4, and: longest))
        }
    }

    private mutating func persisted(_ tokens: ClosedRange<UInt64>) {
        if has(.earlyCompletionIsLost), tokens.lowerBound > disk.durableToken + 1 { return }
        guard disk.confirmed(has(.completionImpliesEarlier) ? 0...tokens.upperBound : tokens) else { return }
        release()
        noteDurable()
        // A candidate's vote for itself counts once it cannot be forgotten.
        if role == .candidate, disk.isHardStateDurable, !isHardStateUnwritten { countBallot(of: id, isGranted: true) }
    }

    mutating func stop(_ error: RaftError) {
        isStopped = true
        standing.follow()
        leader = nil
        failReads()
        answers.append(.stop(error))
    }

    // MARK: Helpers of all parts

    mutating func random(between low: Interval, and high: Interval) -> Interval {
        let range = UInt64(max(high.nanoseconds - low.nanoseconds, 0)) + 1
        return Interval(nanoseconds: low.nanoseconds + Int64(generator.next() % range))
    }

    mutating func drawElectionTimeout() {
        electionTimeout = random(
            between: configuration.electionTimeoutMinimum, and: configuration.electionTimeoutMaximum)
    }

    func position(of peer: NodeID) -> Int? { peers.firstIndex { $0.id == peer } }

    func has(_ fault: RaftFaults) -> Bool { configuration.faults.contains(fault) }
}

// MARK: The only writers of term, vote, role and log

extension RaftCore {
    public var term: UInt64 { standing.term }
    public var role: RaftRole { standing.role }
    var vote: NodeID? { standing.vote }
    var log: LogView { standing.log }
    var damage: RaftMark? { standing.damage }
    var isHardStateUnwritten: Bool { standing.isUnwritten }

    /// Steps down, into `newTerm` where that is later.
    mutating func stepDown(into newTerm: UInt64) {
        precondition(newTerm >= term, "a term never goes back")
        if newTerm > term { standing.enter(term: newTerm) } else { standing.follow() }
    }

    mutating func stand(in ballot: RaftMessage.Ballot) {
        switch ballot {
        case .preVote: standing.sound()
        case .vote: standing.campaign(as: id)
        }
    }

    mutating func lead() { standing.lead() }

    mutating func vote(for candidate: NodeID) { standing.vote(for: candidate) }

    mutating func mend() { standing.mend() }

    mutating func dateDamage() { standing.dateDamage() }

    mutating func takeHardState() -> RaftHardState { standing.takeHardState(commitIndex: commitIndex) }

    /// Puts an entry of this leader's term behind the log; a membership is in force from here on.
    mutating func appendOwn(_ payload: RaftEntry.Payload) {
        let entry = standing.append(payload)
        uncommittedWeight += entry.weight
        guard case .membership(let membership) = payload else { return note(.replicate) }
        memberships.append(membership, at: entry.index)
        note(.changeConfiguration)
        note(.applyConfigurationChange)
        trackMembers()
    }

    mutating func append(fromLeader entries: [RaftEntry]) {
        standing.append(fromLeader: entries)
        memberships.append(entries)
    }

    /// Cuts the log, and with it what the disk is believed to hold and the memberships that it brought.
    mutating func truncate(from index: UInt64) {
        standing.truncate(from: index)
        disk.truncated(from: index, forgettingWrites: !has(.completionAfterTruncation))
        if !has(.keepTruncatedMembership) { memberships.truncate(from: index) }
    }

    mutating func keep(_ snapshot: RaftSnapshot, compactingThrough base: UInt64) {
        standing.keep(snapshot, compactingThrough: base)
        memberships.compact(through: snapshot.index, keepingFirst: has(.forgetCompactedMembership))
    }

    mutating func compactLog() { standing.compact() }

    mutating func replaceLog(by snapshot: RaftSnapshot) {
        let tail = has(.keepLogBesideSnapshot) ? log.entries.filter { $0.index > snapshot.index } : []
        standing.install(snapshot, keeping: tail)
        if !has(.keepMembershipAtInstall) { memberships.install(snapshot) }
        disk.installed(through: snapshot.index)
    }

    /// The entries `first...last`, which must exist.
    mutating func entries(_ first: UInt64, through last: UInt64) -> [RaftEntry] {
        standing.slice(first, through: last)
    }

    /// The entries from `first` on that fit into one append, with their weight; at least one where there is one.
    mutating func batch(from first: UInt64, room: Int) -> (entries: [RaftEntry], weight: Int) {
        standing.batch(
            from: first, weight: min(room, configuration.maximumAppendBytes), count: configuration.maximumAppendEntries)
    }
}
