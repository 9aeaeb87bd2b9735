import Codec

/// A leader's side of replication (Raft, section 5.3) and its watch over its own quorum.
extension RaftCore {
    mutating func leaderTimer() {
        guard now >= heartbeatDeadline else { return }
        guard isQuorumHeard else { return becomeFollower(term: term, leader: nil) }
        // Without a working disk it only holds the others up: somebody else takes over.
        guard !isDiskStalled else { return handOver() }
        if let transfer, now >= transfer.deadline { self.transfer = nil }
        continueTransfer()
        for position in peers.indices where now - peers[position].heardAt > configuration.electionTimeoutMinimum {
            peers[position].lostContact()
        }
        sendHeartbeats(toAll: true)
        joinRound()
        // Only here: were the rounds of reads to move it, a leader with many reads would never look at its disk and quorum.
        heartbeatDeadline = now + configuration.heartbeatInterval
    }

    /// A leader that a quorum has not answered for an election timeout may have a successor (thesis, 6.2).
    private var isQuorumHeard: Bool {
        let oldest = now - configuration.electionTimeoutMaximum
        return quorumReached(own: now, unlimited: now, stranger: .zero) { $0[$1].heardAt } >= oldest
    }

    /// Starts a round: answers to it show that this node still led after the round began.
    ///
    /// Only voters count for that, and only they ask for an election when they hear nothing. A learner that has
    /// everything gets some of the regular heartbeats (`toAll`): soon enough not to be taken for lost.
    mutating func sendHeartbeats(toAll: Bool) {
        reads.startRound(at: now)
        if toAll { quietHeartbeats = (quietHeartbeats + 1) % configuration.heartbeatsPerLearnerHeartbeat }
        for position in peers.indices {
            guard
                membership.isVoter(peers[position].id)
                    || toAll && (quietHeartbeats == 0 || !peers[position].hasEverything(in: log, commitIndex))
            else { continue }
            let match = has(.commitBeyondReceived) ? commitIndex : peers[position].match
            let heartbeat = RaftMessage.Heartbeat(
                term: term, commitIndex: min(commitIndex, match), round: reads.round)
            peers[position].sentCommit = heartbeat.commitIndex
            send(.heartbeat(heartbeat), to: peers[position].id)
        }
    }

    /// Tells a member how far it may apply; needs no answer.
    mutating func sendCommit(to position: Int) {
        let known = min(commitIndex, peers[position].match)
        guard known > peers[position].sentCommit else { return }
        peers[position].sentCommit = known
        send(.heartbeat(RaftMessage.Heartbeat(term: term, commitIndex: known, round: 0)), to: peers[position].id)
    }

    /// Sends everything that may be sent now.
    mutating func replicate() {
        for position in peers.indices {
            switch peers[position].phase {
            case .probe(let isWaiting):
                // Also where nothing is to be sent: it may have come back without what it had.
                if !isWaiting { sendAppend(to: position) }
            case .replicate:
                while peers[position].next <= log.lastIndex,
                    peers[position].hasRoom(in: configuration) || has(.inflightWithoutLimit)
                {
                    guard sendAppend(to: position) else { break }
                }
                if peers[position].needsProbe { sendAppend(to: position, isEmpty: true) }
            case .snapshot: sendPieces(to: position)
            }
            sendCommit(to: position)
        }
    }

    /// Sends the next entries; false where they are gone and the snapshot is sent instead.
    @discardableResult
    private mutating func sendAppend(to position: Int, isEmpty: Bool = false) -> Bool {
        let previous = peers[position].next - 1
        guard let previousTerm = log.term(at: previous) else {
            guard let snapshot = log.snapshot else { preconditionFailure("entries are gone without a snapshot") }
            peers[position].startSnapshot(snapshot, patience: configuration.electionTimeoutMinimum, at: now)
            sendPieces(to: position)
            return false
        }
        let (entries, weight) =
            isEmpty ? ([], 0) : batch(from: previous + 1, room: peers[position].room(in: configuration))
        let append = RaftMessage.Append(
            term: term, previousIndex: previous, previousTerm: previousTerm, entries: entries, commitIndex: commitIndex)
        send(.append(append), to: peers[position].id)
        peers[position].needsProbe = false
        switch peers[position].phase {
        case .probe: peers[position].probeSent()
        default:
            if !entries.isEmpty {
                peers[position].sent(through: previous + UInt64(entries.count), weight: weight)
                // The receiver may commit up to what this append brings.
                peers[position].sentCommit = min(commitIndex, previous + UInt64(entries.count))
            }
        }
        return true
    }

    mutating func appendAnswered(_ response: RaftMessage.AppendResponse, by sender: NodeID) {
        guard role == .leader, let position = position(of: sender) else { return }
        peers[position].heardAt = now
        switch response.outcome {
        case .accepted(let matchIndex):
            // Nobody can hold more of this leader's log than there is; a claim beyond it is not believed.
            guard matchIndex <= log.lastIndex else { return }
            peers[position].accepted(matchIndex, at: now)
            if transfer?.target == sender { continueTransfer() }
        case .rejected(let hintIndex, let hintTerm, let hasLostEntries):
            // One that has less than it acknowledged is filled again. It knows that itself where its disk lost it; where its
            // data were put back, or another host used them too, it shows by refusing what it had accepted. Where that is
            // an answer which came late, entries are sent once more.
            let acknowledged = peers[position].match
            if hintIndex < acknowledged, hasLostEntries || response.previousIndex == acknowledged {
                let forgotten = Progress(id: sender, next: hintIndex + 1, now: now)
                peers[position] = forgotten
                return
            }
            let hint = log.lastIndex(upTo: hintIndex, withTermAtMost: hintTerm).index
            if has(.matchFromRefusal) { peers[position].accepted(min(hintIndex, log.lastIndex), at: now) }
            _ = peers[position].rejected(at: response.previousIndex, retryFrom: hint)
        }
    }

    mutating func heartbeatAnswered(_ response: RaftMessage.HeartbeatResponse, by sender: NodeID) {
        guard role == .leader, let position = position(of: sender) else { return }
        peers[position].heardAt = now
        if response.round > peers[position].round {
            peers[position].round = response.round
            peers[position].roundSentAt = has(.leaseFromAnswer) ? now : reads.sendTime(of: response.round)
        }
        peers[position].resumeProbe()
        // A message may have been lost on the way: ask where nothing has moved for a while.
        guard now - peers[position].movedAt > configuration.heartbeatInterval else { return }
        switch peers[position].phase {
        case .replicate: peers[position].needsProbe = peers[position].match < log.lastIndex
        case .snapshot: peers[position].retrySnapshot(at: now)
        case .probe: break
        }
    }

    /// The largest value that a majority of each set of voters in force has reached: `own` here, `value` at a place in
    /// `peers` elsewhere, `stranger` for a voter that is not among them.
    @inline(__always)
    func quorumReached<Value: Comparable>(
        own: Value, unlimited: Value, stranger: Value, _ value: ([Progress], Int) -> Value
    ) -> Value {
        // Taken out first: a closure over `self` would copy all of it.
        let (id, peers) = (self.id, self.peers)
        let membership = configuration.faults.isEmpty ? memberships.latest : quorumMembership
        return Quorum.reached(in: membership, unlimited: unlimited) { voter in
            if voter == id { return own }
            for position in peers.indices where peers[position].id == voter { return value(peers, position) }
            return stranger
        }
    }

    /// Counts copies and commits, but only what this leader has appended itself (Raft, section 5.4.2, figure 8).
    mutating func advanceCommit() {
        guard role == .leader else { return }
        let own = has(.countOwnBeforeDurable) ? log.lastIndex : disk.durableIndex
        let index =
            has(.evenQuorumByHalf)
            ? halfReached(own: own)
            : quorumReached(own: own, unlimited: log.lastIndex, stranger: 0) { $0[$1].match }
        guard index > commitIndex, log.term(at: index) == term || has(.commitOlderTermByCounting) else { return }
        uncommittedWeight -= log.weight(max(commitIndex + 1, firstIndexOfTerm), through: index)
        commitIndex = index
        note(.commit)
    }

    /// Only for `evenQuorumByHalf`.
    private func halfReached(own: UInt64) -> UInt64 {
        let indexes = quorumMembership.voters.map { voter in
            voter == id ? own : position(of: voter).map { peers[$0].match } ?? 0
        }
        return indexes.sorted(by: >)[(indexes.count - 1) / 2]
    }
}
