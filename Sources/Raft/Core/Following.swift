import Codec

/// A follower's side of replication (Raft, section 5.3).
extension RaftCore {
    /// Accepts `sender` as the leader of this term; false where that cannot be.
    mutating func follow(_ sender: NodeID) -> Bool {
        guard role != .leader else {
            stop(.twoLeaders(term: term, other: sender))
            return false
        }
        if role != .follower || leader != sender { becomeFollower(term: term, leader: sender) }
        // A node that has forgotten even its term learns here in which it may have acknowledged something.
        if damage?.term == 0 { dateDamage() }
        leaderHeardAt = now
        if configuration.readsFromLease { promisedAt = now }
        electionDeadline = now + electionTimeout
        return true
    }

    /// Tells a leader of an earlier term that its time is over.
    mutating func rejectOldLeader(_ sender: NodeID) {
        let outcome = RaftMessage.AppendResponse.Outcome.rejected(hintIndex: 0, hintTerm: 0, hasLostEntries: false)
        send(.appendResponse(RaftMessage.AppendResponse(term: term, previousIndex: 0, outcome: outcome)), to: sender)
    }

    mutating func appendReceived(_ append: RaftMessage.Append, from sender: NodeID) {
        guard follow(sender) else { return }
        guard append.isInOrder else { return }
        let entries = append.entries
        let endBefore = has(.acknowledgeBeyondReceived) ? log.lastIndex : 0
        let last = append.previousIndex + UInt64(entries.count)
        // What is compacted here is committed, so it is the same in the leader's log: start behind it.
        guard last >= log.baseIndex else { return accept(append, through: commitIndex, from: sender) }
        let compacted = append.previousIndex < log.baseIndex ? Int(log.baseIndex - append.previousIndex) : 0
        let previousIndex = append.previousIndex + UInt64(compacted)
        let previousTerm = compacted > 0 ? entries[compacted - 1].term : append.previousTerm
        guard log.term(at: previousIndex) == previousTerm else { return reject(append, from: sender) }
        if has(.truncateWithoutConflict), previousIndex >= commitIndex, previousIndex < log.lastIndex {
            truncate(from: previousIndex + 1)
        }
        var known = compacted
        while known < entries.count, log.term(at: entries[known].index) == entries[known].term { known += 1 }
        if known < entries.count {
            let first = entries[known].index
            if first <= log.lastIndex {
                guard first > commitIndex else { return stop(.committedEntryContradicted(index: first)) }
                truncate(from: first)
            }
            let new = known == 0 ? entries : Array(entries[known...])
            self.append(fromLeader: new)
        }
        learnCommit(min(append.commitIndex, last))
        accept(append, through: max(last, endBefore), from: sender)
    }

    private mutating func accept(_ append: RaftMessage.Append, through matchIndex: UInt64, from sender: NodeID) {
        let response = RaftMessage.AppendResponse(
            term: term, previousIndex: append.previousIndex, outcome: .accepted(matchIndex: matchIndex))
        repairIfComplete(through: matchIndex)
        send(.appendResponse(response), to: sender)
    }

    private mutating func reject(_ append: RaftMessage.Append, from sender: NodeID) {
        let hint = log.lastIndex(upTo: append.previousIndex, withTermAtMost: append.previousTerm)
        let response = RaftMessage.AppendResponse(
            term: term, previousIndex: append.previousIndex,
            outcome: .rejected(hintIndex: hint.index, hintTerm: hint.term ?? 0, hasLostEntries: damage != nil))
        send(.appendResponse(response), to: sender)
    }

    mutating func heartbeatReceived(_ heartbeat: RaftMessage.Heartbeat, from sender: NodeID) {
        guard follow(sender) else { return }
        // The leader names no index that it does not know to be here; a log that lost entries since must not apply.
        learnCommit(min(heartbeat.commitIndex, log.lastIndex))
        if heartbeat.commitIndex <= log.lastIndex { repairIfComplete(through: heartbeat.commitIndex) }
        guard heartbeat.round > 0 else { return }
        send(.heartbeatResponse(RaftMessage.HeartbeatResponse(term: term, round: heartbeat.round)), to: sender)
    }

    /// Only for `heartbeatWithStaleTerm`: what a second thread does that has not seen the new term yet.
    mutating func heartbeatOfStaleTerm(_ heartbeat: RaftMessage.Heartbeat, from sender: NodeID) {
        electionDeadline = now + electionTimeout
        learnCommit(min(heartbeat.commitIndex, log.lastIndex))
        guard heartbeat.round > 0 else { return }
        let response = RaftMessage.HeartbeatResponse(term: heartbeat.term, round: heartbeat.round)
        send(.heartbeatResponse(response), to: sender)
    }

    private mutating func learnCommit(_ index: UInt64) {
        if index > commitIndex { commitIndex = index }
    }

    /// A damaged log is whole again when a leader has filled it beyond everything that this node can have acknowledged:
    /// up to the mark, or to something committed in a term after the mark's, whose leader holds all that was committed.
    mutating func repairIfComplete(through matchIndex: UInt64) {
        guard let damage else { return }
        let isLaterTermCommitted =
            term > damage.term && matchIndex >= commitIndex && log.term(at: commitIndex) == term
        guard matchIndex >= damage.index || isLaterTermCommitted else { return }
        mend()
        electionDeadline = now + electionTimeout
    }
}

extension RaftMessage.Append {
    /// True where the entries follow `previousIndex` without gaps and no term goes back or is later than the sender's.
    fileprivate var isInOrder: Bool {
        var index = previousIndex
        var last = previousTerm
        for position in entries.indices {
            index += 1
            guard entries[position].index == index, entries[position].term >= last else { return false }
            last = entries[position].term
        }
        return last <= term
    }
}
