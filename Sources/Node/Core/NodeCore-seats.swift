import Codec
import Raft
import Scheduler

/// Who has a say in the log.
extension NodeCore {
    /// Whether that member may tell this. Who can never vote, or was revoked, is no candidate, voter or leader: it answers a
    /// leader, and what it answers begins no term.
    ///
    /// Of those that may be chosen it is not asked whether they have a seat: a voter whose log is behind does not know yet
    /// who has one, and would not hear its new leader. Nor of members that are not known here yet.
    func mayTell(_ message: RaftMessage, _ sender: NodeID) -> Bool {
        guard let record = state.node(sender), record.role != .auto || record.revocation != nil,
            !raft.membership.isVoter(sender)
        else { return true }
        switch message {
        case .appendResponse, .heartbeatResponse, .snapshotResponse: return message.term <= raft.term
        case .voteRequest, .voteResponse, .append, .heartbeat, .snapshot, .timeoutNow: return false
        }
    }
}
