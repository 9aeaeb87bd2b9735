import Codec
@_spi(Simulation) import Raft

/// What is written, decided and read.
extension RaftChecker {
    /// (2) Entries with the same index and term are the same, and so is everything before them [LogMatchingInv].
    /// (11) At most one membership is undecided, and no set of voters is empty.
    mutating func wrote(_ entry: RaftEntry, after previousTerm: UInt64, on core: RaftCore) throws(Violation) {
        if case .membership(let membership) = entry.payload { try wrote(membership, at: entry.index, on: core) }
        let place = Place(index: entry.index, term: entry.term)
        let content = Written(previousTerm: previousTerm, payload: entry.payload)
        if let known = written[place] {
            guard known != content else { return }
            throw fail(
                "logs that agree in one place agree before it", "\(core.id) differs at \(entry.index).\(entry.term)")
        }
        written[place] = content
    }

    private func wrote(_ membership: RaftMembership, at index: UInt64, on core: RaftCore) throws(Violation) {
        guard !membership.voters.isEmpty else {
            throw fail("a membership has voters", "\(core.id) writes one without at \(index)")
        }
        // A new leader may hold an undecided change that others, who elected it, do not know of (Ongaro, 2015).
        if core.role == .leader, core.logTerm(at: index) == core.term {
            guard core.logTerm(at: core.commitIndex) == core.term else {
                throw fail(
                    "a membership changes only after its leader has committed something",
                    "\(core.id) writes one at \(index) in term \(core.term)")
            }
        }
        for other in core.logEntries.reversed() where other.index != index {
            guard other.index > max(committedIndex, core.commitIndex) else { break }
            guard other.index < index, case .membership = other.payload else { continue }
            throw fail(
                "at most one membership is undecided", "\(core.id) has two, at \(other.index) and \(index)")
        }
    }

    /// (13) What is decided is never cut from a disk again.
    func cut(_ entries: [RaftEntry], from node: NodeID) throws(Violation) {
        for entry in entries where entry.index <= committedIndex {
            guard committed[Int(entry.index) - 1].entry.term == entry.term else { continue }
            throw fail("what is decided is never cut", "\(node) cuts \(entry.index).\(entry.term)")
        }
    }

    /// (13) What is decided once stays decided [QuorumLogInv].
    mutating func decided(_ entry: RaftEntry, by core: RaftCore, state: TraceDigest) throws(Violation) {
        guard entry.index <= committedIndex else {
            guard entry.index == committedIndex + 1 else {
                throw fail("entries are applied in order", "\(core.id) applies \(entry.index) after \(committedIndex)")
            }
            committed.append(Decision(entry: entry, stateAfter: state))
            return try firstApplied(entry, by: core)
        }
        let known = committed[Int(entry.index) - 1].entry
        guard known == entry else {
            throw fail(
                "an index is decided once",
                "\(core.id) applies \(entry.index).\(entry.term), and \(known.index).\(known.term) was decided")
        }
    }

    /// (4) All nodes that applied as far are in the same state.
    func applied(_ index: UInt64, by core: RaftCore, state: TraceDigest) throws(Violation) {
        guard committed[Int(index) - 1].stateAfter == state else {
            throw fail("nodes that applied as far are in the same state", "\(core.id) differs after \(index)")
        }
    }

    /// (16) Every applied command was proposed once, applied once and never refused.
    private mutating func firstApplied(_ entry: RaftEntry, by core: RaftCore) throws(Violation) {
        guard let command = entry.command else { return }
        let number = SimulatedCommand.number(command)
        guard proposed.contains(number), !refused.contains(number) else {
            throw fail("only what was accepted is applied", "\(core.id) applies command \(number)")
        }
        if let before = appliedAt[number] {
            throw fail("a command is applied once", "command \(number) is at \(before) and \(entry.index)")
        }
        appliedAt[number] = entry.index
    }

    /// (4) A restored snapshot is the state that the log would have led to.
    func restored(index: UInt64, term: UInt64, by core: RaftCore, state: RaftStateMachine) throws(Violation) {
        guard index <= committedIndex, committed[Int(index) - 1].stateAfter == state.fold,
            state.appliedIndex == index
        else {
            throw fail("a snapshot is the state after its index", "\(core.id) restores \(index)")
        }
        guard committed[Int(index) - 1].entry.term == term else {
            throw fail("a snapshot names its entry's term", "\(core.id) restores \(index).\(term)")
        }
    }

    /// (5) What a leader has just committed is an entry of its own term and durable on a majority of every set of voters
    /// in force, the disks of crashed ones counted [CommittedIsDurableInv].
    /// (3) It is in the log of every later leader.
    func committedByLeader(_ core: RaftCore, others: [RaftSimulation.Node], disks: [SimulatedDisk])
        throws(Violation)
    {
        let entry = committed[Int(core.commitIndex) - 1].entry
        guard entry.term == core.term else {
            throw fail(
                "only entries of the leader's own term are committed by counting",
                "\(core.id) commits \(entry.index).\(entry.term) in term \(core.term)")
        }
        for voters in [core.membership.voters, core.membership.outgoingVoters] where !voters.isEmpty {
            let holders = voters.filter { voter in
                let disk = disks[Int(voter.rawValue) - 1]
                return disk.holds(entry.index, term: entry.term) || disk.durable.isDamaged
            }
            guard holders.count <= voters.count / 2 else { continue }
            throw fail(
                "what is committed is durable on a majority",
                "\(core.id) commits \(entry.index).\(entry.term), which of \(voters) only \(holders) hold")
        }
        for node in others {
            guard let other = node.core, other.role == .leader, other.term > core.term else { continue }
            try checkCompleteness(of: other)
        }
    }

    // MARK: Requests

    mutating func willPropose(_ number: UInt64) { proposed.insert(number) }

    /// (16) What was refused never happens.
    mutating func wasRefused(_ number: UInt64) throws(Violation) {
        refused.insert(number)
        if let index = appliedAt[number] {
            throw fail("what was refused never happens", "command \(number) was refused and is at \(index)")
        }
    }

    /// (15) A read that begins now must see everything that is decided now.
    mutating func willRead(_ number: UInt64) { readFloors[number] = committedIndex }

    /// (15)
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
}
