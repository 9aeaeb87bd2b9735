import Codec
@_spi(Simulation) import Raft

/// Watches all nodes at once and knows when one of Raft's promises is broken.
///
/// The numbers are those of the twenty invariants in docs/raft.md; names in brackets are those of the TLA+ specification
/// of etcd's Raft. Every fact is checked when it comes into being, so that a step costs what it changed and not what there
/// is: an entry when it is written, a decision when it is made, a promise when it is sent.
struct RaftChecker {
    /// One place in the log, as the first node that wrote it had it.
    struct Place: Hashable {
        var index: UInt64
        var term: UInt64
    }

    struct Written: Hashable {
        var previousTerm: UInt64
        var payload: RaftEntry.Payload
    }

    /// What is decided for good, and the folded state after it.
    struct Decision {
        var entry: RaftEntry
        var stateAfter: TraceDigest
    }

    /// How far a node had come after its last turn.
    struct Watch {
        var term: UInt64 = 0
        var commitIndex: UInt64 = 0
        var appliedIndex: UInt64 = 0
        /// The membership in force.
        var membership = RaftMembership()
        /// The term that it leads, and the end of its log in it.
        var led: (term: UInt64, lastIndex: UInt64, lastTerm: UInt64)?
    }

    var leaders: [UInt64: NodeID] = [:]
    var written: [Place: Written] = [:]
    /// Entry `index` is at `index - 1`.
    var committed: [Decision] = []
    var votes: [NodeID: (term: UInt64, candidate: NodeID)] = [:]
    /// The highest term that each node has promised to anybody.
    var promisedTerm: [NodeID: UInt64] = [:]
    var readFloors: [UInt64: UInt64] = [:]
    var proposed: Set<UInt64> = []
    var refused: Set<UInt64> = []
    var appliedAt: [UInt64: UInt64] = [:]
    var watches: [Watch]
    private(set) var now = Instant.zero

    /// The last index that any node knows to be decided.
    var committedIndex: UInt64 { UInt64(committed.count) }
    /// The highest term that has had a leader.
    private(set) var lastLedTerm: UInt64 = 0

    init(nodeCount: Int) { watches = Array(repeating: Watch(), count: nodeCount) }

    mutating func step(at now: Instant) { self.now = now }

    func fail(_ rule: String, _ detail: String) -> Violation { Violation(rule: rule, detail: detail, at: now) }

    // MARK: Elections

    /// (1) At most one leader per term [ElectionSafetyInv].
    /// (3) It holds all that was committed before [LeaderCompletenessInv].
    mutating func becameLeader(_ core: RaftCore) throws(Violation) {
        if let other = leaders[core.term], other != core.id {
            throw fail("a term has at most one leader", "\(other) and \(core.id) lead term \(core.term)")
        }
        leaders[core.term] = core.id
        lastLedTerm = max(lastLedTerm, core.term)
        try checkCompleteness(of: core)
    }

    /// (3) for one leader.
    func checkCompleteness(of leader: RaftCore) throws(Violation) {
        let first = max(leader.logBaseIndex, leader.snapshotIndex) + 1
        guard first <= committedIndex else { return }
        for index in first...committedIndex {
            let entry = committed[Int(index) - 1].entry
            // The term in which it was committed is at most the leader's, or the leader need not have it yet.
            guard entry.term <= leader.term, leader.logTerm(at: index) != entry.term else { continue }
            throw fail(
                "a leader holds every committed entry",
                "\(leader.id) leads term \(leader.term) without entry \(index) of term \(entry.term)")
        }
    }

    /// (14) A voter names one candidate per term, crash or not.
    mutating func voted(_ voter: NodeID, for candidate: NodeID, in term: UInt64) throws(Violation) {
        if let vote = votes[voter], vote.term == term, vote.candidate != candidate {
            throw fail(
                "a voter names one candidate per term",
                "\(voter) voted for \(vote.candidate) and \(candidate) in term \(term)")
        }
        if votes[voter]?.term ?? 0 <= term { votes[voter] = (term, candidate) }
    }

    // MARK: One node

    /// (9) A node comes back with everything that it had promised.
    mutating func restarted(_ core: RaftCore, position: Int, disk: SimulatedDisk) throws(Violation) {
        let promised = promisedTerm[core.id] ?? 0
        guard core.term >= promised else {
            throw fail("a term never goes back", "\(core.id) restarts in term \(core.term) after \(promised)")
        }
        if let vote = votes[core.id], vote.term == core.term, core.votedFor != vote.candidate {
            throw fail("a vote is never forgotten", "\(core.id) forgets its vote in term \(core.term)")
        }
        guard core.commitIndex >= min(disk.durable.hardState.commitIndex, core.lastIndex) else {
            throw fail("a known commit is not forgotten", "\(core.id) restarts at \(core.commitIndex)")
        }
        watches[position] = Watch(
            term: core.term, commitIndex: core.commitIndex, appliedIndex: core.appliedIndex, led: nil)
    }

    /// (7), (8), (9), (10), (11) for one node, and (6) where it leads. `hasWritten` where the turn changed its log.
    mutating func turned(_ core: RaftCore, position: Int, hasWritten: Bool, disks: [SimulatedDisk])
        throws(Violation)
    {
        // (7), (8) and that a leader tracks exactly the members (11) are the core's own business.
        if let broken = core.brokenInvariant() {
            throw fail("a node is in order by itself", "\(core.id): \(broken)")
        }
        var watch = watches[position]
        guard core.term >= watch.term, core.commitIndex >= watch.commitIndex, core.appliedIndex >= watch.appliedIndex
        else {
            throw fail(
                "term, commit and applied index never go back",
                "\(core.id): term \(watch.term) to \(core.term), commit \(watch.commitIndex) to \(core.commitIndex),"
                    + " applied \(watch.appliedIndex) to \(core.appliedIndex)")
        }
        if watch.membership != core.membership || hasWritten {
            try checkMembership(of: core)
            watch.membership = core.membership
        }
        (watch.term, watch.commitIndex, watch.appliedIndex) = (core.term, core.commitIndex, core.appliedIndex)
        if core.role == .leader {
            if let led = watch.led, led.term == core.term {
                let stays = led.lastIndex <= core.snapshotIndex || core.logTerm(at: led.lastIndex) == led.lastTerm
                guard core.lastIndex >= led.lastIndex, stays else {
                    throw fail("a leader only appends", "\(core.id) had a log through \(led.lastIndex)")
                }
            }
            watch.led = (core.term, core.lastIndex, core.logTerm(at: core.lastIndex) ?? 0)
            try believed(by: core, disks: disks)
        }
        watches[position] = watch
    }

    /// (11) The newest membership in the log is in force, committed or not (Raft, section 6).
    private func checkMembership(of core: RaftCore) throws(Violation) {
        var newest = core.snapshot?.membership ?? RaftMembership()
        for entry in core.logEntries.reversed() {
            guard entry.index > core.snapshotIndex else { break }
            guard case .membership(let membership) = entry.payload else { continue }
            newest = membership
            break
        }
        guard core.membership == newest else {
            throw fail(
                "the newest membership in the log is in force",
                "\(core.id) counts voters \(core.membership.voters) instead of \(newest.voters)")
        }
    }

    /// (6) What a leader believes a follower to hold is durable there, and the same.
    private func believed(by core: RaftCore, disks: [SimulatedDisk]) throws(Violation) {
        for peer in core.progress where peer.matchIndex > 0 {
            let disk = disks[Int(peer.id.rawValue) - 1]
            guard let term = core.logTerm(at: peer.matchIndex), !disk.durable.isDamaged,
                !disk.holds(peer.matchIndex, term: term)
            else { continue }
            // A follower of a later leader may have cut what this one, not knowing of its end, still counts.
            guard disk.durable.hardState.term <= core.term else { continue }
            throw fail(
                "what a leader counts is durable where it counts it",
                "\(core.id) believes \(peer.id) to hold \(peer.matchIndex).\(term)")
        }
    }
}
