import Codec

/// Telling what happens, for those who check it. Nothing is kept and nothing is built unless somebody has asked.
extension RaftCore {
    /// From now on the core keeps its steps until they are taken; the first says how it is now.
    public mutating func startTracing() {
        trace = []
        note(.initState)
    }

    /// The steps since this was last asked for.
    public mutating func takeTrace() -> [RaftTraceEvent] {
        guard let taken = trace else { return [] }
        trace = []
        return taken
    }

    @inline(__always)
    mutating func note(_ name: RaftTraceEvent.Name) {
        if trace != nil { keep(name, nil) }
    }

    @inline(__always)
    mutating func noteSent(_ message: RaftMessage, to peer: NodeID) {
        guard trace != nil, let traced = RaftTraceEvent.Message(message, from: id, to: peer) else { return }
        switch message {
        case .voteRequest: keep(.sendVoteRequest, traced)
        case .voteResponse: keep(.sendVoteResponse, traced)
        case .appendResponse, .heartbeatResponse: keep(.sendAppendResponse, traced)
        case .snapshot: keep(.sendSnapshot, traced)
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
        case .snapshot: keep(.receiveSnapshot, traced)
        default: keep(.receiveAppendRequest, traced)
        }
    }

    private mutating func keep(_ name: RaftTraceEvent.Name, _ message: RaftTraceEvent.Message?) {
        let event = RaftTraceEvent(
            name: name, node: id, term: term, vote: vote, commitIndex: commitIndex, role: role,
            lastIndex: log.lastIndex, lastTerm: log.lastTerm, membership: membership, message: message)
        trace?.append(event)
    }
}
