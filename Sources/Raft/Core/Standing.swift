import Codec

/// What Raft's promises are about (Raft, figure 2): a node's term, its vote in it, its role, and its log.
///
/// They change only by the steps below, and each step refuses what the proof rules out: a term that goes back, a second
/// vote in a term, a leader that was not a candidate, a leader that cuts its log. `RaftCore` alone can take a step, and
/// only in a turn, since its `standing` is private to `RaftCore.swift`; everybody else can do no more than look.
struct Standing: Sendable {
    private(set) var term: UInt64
    private(set) var vote: NodeID?
    private(set) var role = RaftRole.follower
    private(set) var log: LogView
    /// Set while acknowledged entries are missing.
    private(set) var damage: RaftMark?
    /// True where term, vote or damage are not what the disk was last asked to hold.
    private(set) var isUnwritten: Bool

    /// A node as its disk has it.
    init(_ restored: RaftRestored) {
        let found = restored.hardState
        log = LogView(restored)
        term = max(found.term, log.lastTerm)
        vote = term == found.term ? found.vote : nil
        damage = found.damage
        isUnwritten = term != found.term
    }

    // MARK: Term, vote and role

    /// Somebody has reached a later term: nothing is promised in it yet.
    mutating func enter(term newTerm: UInt64) {
        precondition(newTerm > term, "a term never goes back")
        (term, vote, role) = (newTerm, nil, .follower)
        isUnwritten = true
    }

    mutating func follow() { role = .follower }

    /// Asks whether an election could be won.
    mutating func sound() {
        precondition(role != .leader, "a leader asks for no election")
        role = .preCandidate
    }

    /// Stands for the term after this one, with its own vote.
    mutating func campaign(as node: NodeID) {
        precondition(role != .leader && damage == nil, "a leader, or a damaged log, stands for no election")
        (term, vote, role) = (term + 1, node, .candidate)
        isUnwritten = true
    }

    mutating func lead() {
        precondition(role == .candidate, "only a candidate wins an election")
        role = .leader
    }

    /// Votes once in a term, and as often as it is asked for the same candidate.
    mutating func vote(for candidate: NodeID) {
        precondition(vote == nil || vote == candidate, "a voter names one candidate per term")
        precondition(damage == nil, "a damaged log votes for nobody")
        if vote != candidate { isUnwritten = true }
        vote = candidate
    }

    /// The log has everything again that this node can have acknowledged.
    mutating func mend() {
        damage = nil
        isUnwritten = true
    }

    /// A node that does not know in which term it lost entries: it was in none after this one.
    mutating func dateDamage() {
        damage?.term = term
        isUnwritten = true
    }

    /// What the disk is to hold beside the log.
    mutating func takeHardState(commitIndex: UInt64) -> RaftHardState {
        isUnwritten = false
        return RaftHardState(term: term, vote: vote, commitIndex: commitIndex, damage: damage)
    }

    // MARK: The log

    /// Puts an entry of this leader's term behind its log.
    mutating func append(_ payload: RaftEntry.Payload) -> RaftEntry {
        precondition(role == .leader, "only a leader makes entries")
        let entry = RaftEntry(index: log.lastIndex + 1, term: term, payload: payload)
        log.append(entry)
        return entry
    }

    /// Takes over entries of a leader, which follow the log without a gap.
    mutating func append(fromLeader entries: [RaftEntry]) {
        precondition(role == .follower, "only a follower takes entries over")
        log.append(contentsOf: entries)
    }

    mutating func truncate(from index: UInt64) {
        precondition(role == .follower, "a leader never cuts its log")
        log.truncate(from: index)
    }

    /// Lets a snapshot stand for entries that the log holds, and forgets those up to `base`.
    mutating func keep(_ snapshot: RaftSnapshot, compactingThrough base: UInt64) {
        log.keep(snapshot, compactingThrough: base)
    }

    /// Forgets all entries that the snapshot stands for.
    mutating func compact() { log.compact(through: log.snapshotIndex) }

    /// A leader's snapshot takes the place of the log; a simulated mistake keeps a tail beside it.
    mutating func install(_ snapshot: RaftSnapshot, keeping tail: [RaftEntry]) {
        precondition(role == .follower, "only a follower takes a snapshot over")
        log.install(snapshot, keeping: tail)
    }

    // MARK: Looking, with a memory for what is asked again

    mutating func slice(_ first: UInt64, through last: UInt64) -> [RaftEntry] { log.slice(first, through: last) }

    mutating func batch(from first: UInt64, weight: Int, count: Int) -> (entries: [RaftEntry], weight: Int) {
        log.batch(from: first, weight: weight, count: count)
    }
}
