import Codec

/// The end of a turn: one write, the messages that may leave, and what the node is told.
extension RaftCore {
    mutating func finishTurn() {
        if role == .leader { doLeadersWork() }
        write()
        announce()
        apply()
        // After `apply`: the state that is there by now is the one to be written.
        if !isStopped { wantSnapshot() }
        noteTurnEnd()
        guard !answers.isEmpty else { return }
        effects += answers
        answers.removeAll(keepingCapacity: true)
    }

    /// Whatever a leader does once all inputs of the turn are in.
    private mutating func doLeadersWork() {
        advanceCommit()
        if membership.isJoint { leaveJointMembership() }
        if !membership.isVoter(id) { stepDownIfRemoved() }
        if reads.count > 0 {
            startReadRound()
            answerReads()
        }
        if role == .leader { replicate() }
    }

    /// Hands the disk everything that changed in this turn.
    private mutating func write() {
        let truncation = disk.truncation
        guard isHardStateUnwritten || disk.unwrittenFrom <= log.lastIndex || truncation != nil || snapshotToWrite != nil
        else { return }
        // Read before `begin` moves it.
        let entries = entries(max(disk.unwrittenFrom, log.baseIndex + 1), through: log.lastIndex)
        let token = disk.begin(
            lastIndex: log.lastIndex, carriesHardState: isHardStateUnwritten, at: now.nanoseconds)
        var persist = RaftPersist(token: token, truncateFrom: truncation, entries: entries)
        persist.hardState = takeHardState()
        if let kind = snapshotToWrite {
            persist.snapshot = log.snapshot
            persist.compactThrough = log.baseIndex
            persist.compactTerm = log.baseTerm
            if kind == .installed { persist.truncateFrom = 1 }
            snapshotToWrite = nil
        }
        effects.append(.persist(persist))
        trace?.isReadyDue = true
    }

    // MARK: Messages

    /// Sends a message, at once or as soon as everything that it promises is on disk.
    mutating func send(_ message: RaftMessage, to peer: NodeID) {
        noteSent(message, to: peer)
        let token = tokenBefore(message)
        guard token > disk.durableToken else { return effects.append(.send(to: peer, message)) }
        // By token, or a short wait could hide behind a long one.
        var place = held.count
        while place > 0, held[place - 1].token > token { place -= 1 }
        held.insert((token, .send(to: peer, message)), at: place)
        if held.count > configuration.maximumHeldMessages { held.removeFirst() }
    }

    /// Lets the messages go whose promises are on disk now.
    mutating func release() {
        var ready = 0
        while ready < held.count, held[ready].token <= disk.durableToken {
            effects.append(held[ready].send)
            ready += 1
        }
        if ready == held.count { held.removeAll(keepingCapacity: true) } else { held.removeFirst(ready) }
    }

    /// The write that must be durable before `message` leaves; one that this turn is still to hand out, where that brings
    /// what is promised.
    private func tokenBefore(_ message: RaftMessage) -> UInt64 {
        let hardStateToken = isHardStateUnwritten ? disk.nextToken : disk.hardStateToken
        switch message {
        case .voteRequest(let request) where request.ballot == .preVote: return 0
        case .voteResponse(let response) where response.ballot == .preVote: return 0
        case .voteRequest, .voteResponse: return has(.voteBeforeDurable) ? 0 : hardStateToken
        case .appendResponse(let response):
            guard case .accepted(let matchIndex) = response.outcome, !has(.acknowledgeBeforeDurable) else {
                return hardStateToken
            }
            return max(hardStateToken, disk.token(covering: matchIndex))
        default: return hardStateToken
        }
    }

    // MARK: What the node is told

    private mutating func announce() {
        if announced != (role, term, leader) {
            announced = (role, term, leader)
            effects.append(.roleChanged(role: role, term: term, leader: leader))
        }
        if announcedRevision != memberships.revision {
            announcedRevision = memberships.revision
            effects.append(.membershipChanged(membership))
        }
    }

    private mutating func apply() {
        if let restoredSnapshot {
            effects.append(.restore(restoredSnapshot))
            self.restoredSnapshot = nil
        }
        guard commitIndex > appliedIndex else { return }
        effects.append(.apply(entries(appliedIndex + 1, through: commitIndex)))
        appliedIndex = commitIndex
    }
}
