import Codec
@_spi(Simulation) import Raft

/// Watches all nodes at once and knows when one of Raft's promises is broken.
///
/// Names in brackets are those of the TLA+ specification of etcd's Raft. Every fact is checked when it comes into being,
/// so that a step costs what it changed and not what there is.
struct RaftChecker {
    /// One place in the log, as the first node that wrote it had it.
    private struct Place: Hashable {
        var index: UInt64
        var term: UInt64
    }

    private struct Written: Hashable {
        var previousTerm: UInt64
        var payload: RaftEntry.Payload
    }

    private var leaders: [UInt64: NodeID] = [:]
    private var written: [Place: Written] = [:]
    /// Entry `index` is at `index - 1`: what has been decided for good, and the folded state after it.
    private var committed: [(entry: RaftEntry, stateAfter: RaftStateMachine)] = []
    private var votes: [NodeID: (term: UInt64, candidate: NodeID)] = [:]
    /// The highest term that each node has promised to anybody.
    private var promisedTerm: [NodeID: UInt64] = [:]
    private var readFloors: [UInt64: UInt64] = [:]
    private var proposed: Set<UInt64> = []
    private var refused: Set<UInt64> = []
    private var appliedAt: [UInt64: UInt64] = [:]
    private(set) var now = Instant.zero

    /// The last index that any node knows to be decided.
    var committedIndex: UInt64 { UInt64(committed.count) }

    init() {}

    mutating func step(at now: Instant) { self.now = now }

    func fail(_ rule: String, _ detail: String) -> Violation { Violation(rule: rule, detail: detail, at: now) }

    // MARK: Elections

    /// At most one leader per term [ElectionSafetyInv], and it holds all that was committed before [LeaderCompletenessInv].
    mutating func becameLeader(_ core: RaftCore) throws(Violation) {
        if let other = leaders[core.term], other != core.id {
            throw fail("a term has at most one leader", "\(other) and \(core.id) lead term \(core.term)")
        }
        leaders[core.term] = core.id
        try checkCompleteness(of: core, from: max(core.logBaseIndex, core.snapshotIndex) + 1)
    }

    private func checkCompleteness(of leader: RaftCore, from first: UInt64) throws(Violation) {
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

    /// A vote is on disk before it is sent, and a voter names one candidate per term, crash or not.
    mutating func voted(_ voter: NodeID, for candidate: NodeID, in term: UInt64) throws(Violation) {
        if let vote = votes[voter], vote.term == term, vote.candidate != candidate {
            throw fail(
                "a voter names one candidate per term",
                "\(voter) voted for \(vote.candidate) and \(candidate) in term \(term)")
        }
        if votes[voter]?.term ?? 0 <= term { votes[voter] = (term, candidate) }
    }

    /// A node comes back with everything that it had promised.
    func restarted(_ core: RaftCore) throws(Violation) {
        let promised = promisedTerm[core.id] ?? 0
        guard core.term >= promised else {
            throw fail("a term never goes back", "\(core.id) restarts in term \(core.term) after \(promised)")
        }
    }

    // MARK: Log

    /// Entries with the same index and term are the same, and so is everything before them [LogMatchingInv].
    mutating func wrote(_ entry: RaftEntry, after previousTerm: UInt64, on node: NodeID) throws(Violation) {
        let place = Place(index: entry.index, term: entry.term)
        let content = Written(previousTerm: previousTerm, payload: entry.payload)
        if let known = written[place] {
            guard known != content else { return }
            throw fail(
                "logs that agree in one place agree before it", "\(node) differs at \(entry.index).\(entry.term)")
        }
        written[place] = content
    }

    /// What is decided once stays decided, and all nodes that applied as far are in the same state [QuorumLogInv].
    mutating func applied(_ entry: RaftEntry, by core: RaftCore, state: RaftStateMachine) throws(Violation) {
        guard entry.index <= committedIndex else {
            guard entry.index == committedIndex + 1 else {
                throw fail("entries are applied in order", "\(core.id) applies \(entry.index) after \(committedIndex)")
            }
            committed.append((entry, state))
            return try appliedCommand(entry, by: core)
        }
        let known = committed[Int(entry.index) - 1]
        guard known.entry == entry else {
            throw fail(
                "an index is decided once",
                "\(core.id) applies \(entry.index).\(entry.term), and \(known.entry.index).\(known.entry.term) was decided"
            )
        }
        guard known.stateAfter == state else {
            throw fail("nodes that applied as far are in the same state", "\(core.id) differs after \(entry.index)")
        }
    }

    /// Every applied command was proposed once, applied once and never refused.
    private mutating func appliedCommand(_ entry: RaftEntry, by core: RaftCore) throws(Violation) {
        guard let command = entry.command else { return }
        let number = RaftStateMachine.number(command)
        guard proposed.contains(number), !refused.contains(number) else {
            throw fail("only what was accepted is applied", "\(core.id) applies command \(number)")
        }
        if let before = appliedAt[number] {
            throw fail("a command is applied once", "command \(number) is at \(before) and \(entry.index)")
        }
        appliedAt[number] = entry.index
    }

    /// A restored snapshot is the state that the log would have led to.
    func restored(_ snapshot: RaftSnapshot, by core: RaftCore, state: RaftStateMachine) throws(Violation) {
        guard snapshot.index <= committedIndex, committed[Int(snapshot.index) - 1].stateAfter == state else {
            throw fail("a snapshot is the state after its index", "\(core.id) restores \(snapshot.index)")
        }
        guard committed[Int(snapshot.index) - 1].entry.term == snapshot.term else {
            throw fail("a snapshot names its entry's term", "\(core.id) restores \(snapshot.index).\(snapshot.term)")
        }
    }

    /// What a leader has just committed is an entry of its own term, is durable on a majority of every set of voters in
    /// force, and is in the log of every later leader.
    func committedByLeader(_ core: RaftCore, others: [RaftCore], disks: [NodeID: SimulatedDisk]) throws(Violation) {
        let entry = committed[Int(core.commitIndex) - 1].entry
        guard entry.term == core.term else {
            throw fail(
                "only entries of the leader's own term are committed by counting",
                "\(core.id) commits \(entry.index).\(entry.term) in term \(core.term)")
        }
        for voters in [core.membership.voters, core.membership.outgoingVoters] where !voters.isEmpty {
            let holders = voters.filter { voter in
                guard let disk = disks[voter] else { return false }
                return disk.holds(entry.index, term: entry.term) || disk.durable.isDamaged
            }
            guard holders.count <= voters.count / 2 else { continue }
            throw fail(
                "what is committed is durable on a majority",
                "\(core.id) commits \(entry.index).\(entry.term), which of \(voters) only \(holders) hold")
        }
        for other in others where other.role == .leader && other.term > core.term {
            try checkCompleteness(of: other, from: max(other.logBaseIndex, other.snapshotIndex) + 1)
        }
    }

    /// What a leader believes a follower to hold is durable there.
    func believed(by core: RaftCore, others: [RaftCore], disks: [NodeID: SimulatedDisk]) throws(Violation) {
        for peer in core.progress where peer.matchIndex > 0 {
            guard let other = others.first(where: { $0.id == peer.id }), other.term == core.term,
                let disk = disks[peer.id], !disk.durable.isDamaged, let term = core.logTerm(at: peer.matchIndex),
                !disk.holds(peer.matchIndex, term: term)
            else { continue }
            throw fail(
                "what a leader counts is durable where it counts it",
                "\(core.id) believes \(peer.id) to hold \(peer.matchIndex).\(term)")
        }
    }

    // MARK: Clients

    mutating func willPropose(_ number: UInt64) { proposed.insert(number) }
    mutating func wasRefused(_ number: UInt64) throws(Violation) {
        refused.insert(number)
        if let index = appliedAt[number] {
            throw fail("what was refused never happens", "command \(number) was refused and is at \(index)")
        }
    }

    /// A read that begins now must see everything that is decided now.
    mutating func willRead(_ number: UInt64) { readFloors[number] = committedIndex }

    mutating func read(_ number: UInt64, sees index: UInt64, at core: RaftCore) throws(Violation) {
        guard let floor = readFloors.removeValue(forKey: number) else {
            throw fail("a read is answered once", "\(core.id) answers read \(number) again")
        }
        guard index >= floor, core.appliedIndex >= index else {
            throw fail(
                "a read sees all that was decided before it",
                "\(core.id) answers at \(index) what began after \(floor) was decided")
        }
    }

    // MARK: Messages

    /// No message leaves before what it promises is on the sender's disk [CommittedIsDurableInv].
    mutating func sent(_ message: RaftMessage, by core: RaftCore, to peer: NodeID, disk: SimulatedDisk)
        throws(Violation)
    {
        let durable = disk.durable.hardState
        switch message {
        case .voteRequest(let request) where request.ballot == .preVote: return
        case .voteResponse(let response) where response.ballot == .preVote: return
        case .voteRequest(let request):
            guard hasDurably(voted: core.id, in: request.term, durable) else { throw early("asks for votes", core) }
            try voted(core.id, for: core.id, in: request.term)
        case .voteResponse(let response) where response.isGranted:
            guard hasDurably(voted: peer, in: response.term, durable) else { throw early("votes", core) }
            try voted(core.id, for: peer, in: response.term)
        case .appendResponse(let response):
            guard case .accepted(let match) = response.outcome, core.term == response.term else { break }
            guard match == 0 || disk.durable.lastIndex >= match else { throw early("acknowledges \(match)", core) }
        default: break
        }
        guard durable.term >= message.term else { throw early("names term \(message.term)", core) }
        promisedTerm[core.id] = max(promisedTerm[core.id] ?? 0, message.term)
    }

    /// A later term on disk will do: in the earlier one no vote can be given any more.
    private func hasDurably(voted candidate: NodeID, in term: UInt64, _ state: RaftHardState) -> Bool {
        state.term > term || state.term == term && state.vote == candidate
    }

    private func early(_ what: String, _ core: RaftCore) -> Violation {
        fail("what a message promises is on disk", "\(core.id) \(what) in term \(core.term) too early")
    }
}
