import Codec

/// The end of a turn: one write, the messages that may leave, and what the node is told.
extension RaftCore {
    mutating func send(_ message: RaftMessage, to peer: NodeID) { outbox.append((peer, message)) }

    mutating func finishTurn(into effects: inout [RaftEffect]) {
        if !isStopped { lead() }
        write(into: &effects)
        release(into: &effects)
        announce(into: &effects)
        apply(into: &effects)
        effects += answers
        answers.removeAll(keepingCapacity: true)
    }

    /// Whatever a leader does once all inputs of the turn are in.
    private mutating func lead() {
        guard role == .leader else { return wantSnapshot() }
        advanceCommit()
        leaveJointMembership()
        stepDownIfRemoved()
        startReadRound()
        answerReads()
        replicate()
        wantSnapshot()
    }

    /// Hands the disk everything that changed in this turn.
    private mutating func write(into effects: inout [RaftEffect]) {
        let truncation = disk.truncation
        guard isHardStateDirty || disk.unwrittenFrom <= log.lastIndex || truncation != nil || snapshotToWrite != nil
        else { return }
        // Read before `begin` moves it.
        let entries = log.slice(max(disk.unwrittenFrom, log.baseIndex + 1), through: log.lastIndex)
        let token = disk.begin(
            lastIndex: log.lastIndex, carriesHardState: isHardStateDirty, at: now.nanoseconds)
        var persist = RaftPersist(token: token, truncateFrom: truncation, entries: entries)
        persist.hardState = RaftHardState(term: term, vote: vote, commitIndex: commitIndex, damage: damage)
        isHardStateDirty = false
        if let kind = snapshotToWrite {
            persist.snapshot = log.snapshot
            persist.compactThrough = log.baseIndex
            persist.compactTerm = log.baseTerm
            if kind == .installed { persist.truncateFrom = 1 }
            snapshotToWrite = nil
        }
        effects.append(.persist(persist))
    }

    /// Sends what may leave now and holds back what promises something that is not on disk.
    private mutating func release(into effects: inout [RaftEffect]) {
        var ready = 0
        while ready < held.count, held[ready].token <= disk.durableToken {
            effects.append(.send(to: held[ready].to, held[ready].message))
            ready += 1
        }
        if ready > 0 { held.removeFirst(ready) }
        for (peer, message) in outbox {
            let token = tokenBefore(message)
            if token <= disk.durableToken {
                effects.append(.send(to: peer, message))
            } else {
                // Tokens of held messages ascend, or a short wait could hide behind a long one.
                let place = held.lastIndex { $0.token <= token }.map { $0 + 1 } ?? 0
                held.insert((token, peer, message), at: place)
            }
        }
        outbox.removeAll(keepingCapacity: true)
        if held.count > configuration.maximumHeldMessages {
            held.removeFirst(held.count - configuration.maximumHeldMessages)
        }
    }

    /// The write that must be durable before `message` leaves.
    private func tokenBefore(_ message: RaftMessage) -> UInt64 {
        switch message {
        case .voteRequest(let request) where request.ballot == .preVote: return 0
        case .voteResponse(let response) where response.ballot == .preVote: return 0
        case .voteRequest, .voteResponse: return has(.voteBeforeDurable) ? 0 : disk.hardStateToken
        case .appendResponse(let response):
            guard case .accepted(let matchIndex) = response.outcome, matchIndex > disk.durableIndex,
                !has(.acknowledgeBeforeDurable)
            else { return disk.hardStateToken }
            return disk.lastToken
        default: return disk.hardStateToken
        }
    }

    private mutating func announce(into effects: inout [RaftEffect]) {
        if announced != (role, term, leader) {
            announced = (role, term, leader)
            effects.append(.roleChanged(role: role, term: term, leader: leader))
        }
        if announcedMembership != membership {
            announcedMembership = membership
            effects.append(.membershipChanged(membership))
        }
    }

    private mutating func apply(into effects: inout [RaftEffect]) {
        if let restoredSnapshot {
            effects.append(.restore(restoredSnapshot))
            self.restoredSnapshot = nil
        }
        guard commitIndex > appliedIndex else { return }
        effects.append(.apply(log.slice(appliedIndex + 1, through: commitIndex)))
        appliedIndex = commitIndex
    }
}
