import Codec

/// What a core keeps while somebody wants to see its steps.
///
/// The specification's nodes send their own vote and their own acknowledgement to themselves, and receive them once they
/// are durable; everything that was sent leaves with the next `Ready`. A core does neither, so that is told beside it.
struct TraceKeeper: Sendable {
    var events: [RaftTraceEvent] = []
    /// Something was sent, or handed to the disk, since the last `Ready`.
    var isReadyDue = false
    /// The term in which this candidate's vote for itself is not durable yet.
    var ownVote: UInt64?
    /// Ends of this leader's log that it has not acknowledged to itself yet, oldest first.
    var ownEnds: [UInt64] = []
    /// The last of them, durable or not.
    var toldEnd: UInt64 = 0
}

/// Telling what happens, for those who check it. Nothing is kept and nothing is built unless somebody has asked.
extension RaftCore {
    /// From now on the core keeps its steps until they are taken; the first says how it is now.
    public mutating func startTracing() {
        trace = TraceKeeper()
        note(.initState)
    }

    /// The steps since this was last asked for.
    public mutating func takeTrace() -> [RaftTraceEvent] {
        guard let taken = trace?.events else { return [] }
        trace?.events = []
        return taken
    }

    @inline(__always)
    mutating func note(_ name: RaftTraceEvent.Name) {
        if trace != nil { keep(name, nil) }
    }

    @inline(__always)
    mutating func noteSent(_ message: RaftMessage, to peer: NodeID) {
        guard trace != nil, let traced = RaftTraceEvent.Message(message, from: id, to: peer) else { return }
        trace?.isReadyDue = true
        switch message {
        case .voteRequest: keep(.sendVoteRequest, traced)
        case .voteResponse: keep(.sendVoteResponse, traced)
        case .appendResponse, .heartbeatResponse: keep(.sendAppendResponse, traced)
        // Snapshots too: etcd's tracer and its specification call them so, though they have a name of their own.
        default: keep(.sendAppendRequest, traced)
        }
    }

    @inline(__always)
    mutating func noteReceived(_ message: RaftMessage, from sender: NodeID) {
        guard trace != nil, let traced = RaftTraceEvent.Message(message, from: sender, to: id) else { return }
        switch message {
        case .voteRequest: keep(.receiveVoteRequest, traced)
        case .voteResponse: keep(.receiveVoteResponse, traced)
        case .appendResponse, .heartbeatResponse: keep(.receiveAppendResponse, traced)
        default: keep(.receiveAppendRequest, traced)
        }
    }

    mutating func noteCandidacy() {
        guard trace != nil else { return }
        keep(.becomeCandidate, nil)
        keep(.sendVoteResponse, RaftTraceEvent.Message(type: "MsgVoteResp", from: id, to: id, term: term))
        let candidacy = term
        trace?.ownVote = candidacy
        trace?.isReadyDue = true
    }

    mutating func noteLeadership() {
        guard trace != nil else { return }
        keep(.becomeLeader, nil)
        let end = log.lastIndex
        trace?.ownEnds = []
        trace?.toldEnd = end
    }

    /// Something has become durable: what this node told itself arrives.
    mutating func noteDurable() {
        guard trace != nil else { return }
        if trace?.ownVote == term, role == .candidate, disk.isHardStateDurable, !isHardStateUnwritten {
            trace?.ownVote = nil
            keep(.receiveVoteResponse, RaftTraceEvent.Message(type: "MsgVoteResp", from: id, to: id, term: term))
        }
        guard role == .leader else { return }
        while let end = trace?.ownEnds.first, end <= disk.durableIndex {
            trace?.ownEnds.removeFirst()
            keep(.receiveAppendResponse, ownAcknowledgement(of: end))
        }
    }

    /// The end of a turn: what was appended is acknowledged to itself, and everything leaves.
    mutating func noteTurnEnd() {
        guard let keeper = trace else { return }
        let end = log.lastIndex
        if role == .leader, end > keeper.toldEnd {
            keep(.sendAppendResponse, ownAcknowledgement(of: end))
            trace?.ownEnds.append(end)
            trace?.toldEnd = end
        } else if !keeper.isReadyDue {
            return
        }
        keep(.ready, nil)
        trace?.isReadyDue = false
    }

    private func ownAcknowledgement(of end: UInt64) -> RaftTraceEvent.Message {
        RaftTraceEvent.Message(type: "MsgAppResp", from: id, to: id, term: term, index: end)
    }

    private mutating func keep(_ name: RaftTraceEvent.Name, _ message: RaftTraceEvent.Message?) {
        let event = RaftTraceEvent(
            name: name, node: id, term: term, vote: vote, commitIndex: commitIndex, role: role,
            lastIndex: log.lastIndex, lastTerm: log.lastTerm, membership: membership, message: message)
        trace?.events.append(event)
    }
}
