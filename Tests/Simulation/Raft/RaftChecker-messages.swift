import Codec
@_spi(Simulation) import Raft

/// What leaves a node.
extension RaftChecker {
    /// (12) No message leaves before what it promises is on the sender's disk [CommittedIsDurableInv].
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
