import Codec

/// Why a request to Raft was refused, or why it had to stop.
public enum RaftError: Error, Hashable, Sendable {
    /// This node does not lead. Nothing was changed.
    case notLeader(leader: NodeID?)
    /// The leader lost its place before it could answer. A read has not happened; retry it.
    case leadershipLost(leader: NodeID?)
    /// Leadership is being handed over. Nothing was changed.
    case transferring(to: NodeID)
    case entryTooLarge(bytes: Int, limit: Int)
    /// More is proposed than the voters can store. Nothing was changed.
    case tooMuchUncommitted(bytes: Int, limit: Int)
    case tooManyReads(limit: Int)
    /// Another membership change has not finished.
    case changeInProgress
    /// A new leader may change the membership only after its first commit.
    case changeTooEarly
    case changeInvalid(RaftMembershipRefusal)
    /// The leader sent a log that contradicts what is committed here.
    case committedEntryContradicted(index: UInt64)
    /// Another node leads the term that this node leads: a broken promise of the protocol.
    case twoLeaders(term: UInt64, other: NodeID)
    case diskFailed(String)

    /// Stable name of the case.
    public var code: String {
        switch self {
        case .notLeader: "raft.not_leader"
        case .leadershipLost: "raft.leadership_lost"
        case .transferring: "raft.transferring"
        case .entryTooLarge: "raft.entry_too_large"
        case .tooMuchUncommitted: "raft.too_much_uncommitted"
        case .tooManyReads: "raft.too_many_reads"
        case .changeInProgress: "raft.change.in_progress"
        case .changeTooEarly: "raft.change.too_early"
        case .changeInvalid: "raft.change.invalid"
        case .committedEntryContradicted: "raft.committed_entry_contradicted"
        case .twoLeaders: "raft.two_leaders"
        case .diskFailed: "raft.disk_failed"
        }
    }

    /// What happened, as a sentence.
    public var message: String {
        switch self {
        case .notLeader(let leader):
            leader.map { "this node does not lead the mesh; node \($0) does" }
                ?? "the mesh has no leader at the moment"
        case .leadershipLost: "the leader of the mesh changed while the request was under way"
        case .transferring(let target): "the leadership of the mesh is being handed to node \(target)"
        case .entryTooLarge(let bytes, let limit):
            "the change is \(bytes) bytes, and one change may have \(limit)"
        case .tooMuchUncommitted(let bytes, let limit):
            "\(bytes) bytes of changes wait for a majority of the voters, and \(limit) is the limit"
        case .tooManyReads(let limit): "\(limit) reads already wait for the voters to answer"
        case .changeInProgress: "another change of the voters has not finished"
        case .changeTooEarly: "the leader of the mesh has just been elected and is not ready to change the voters"
        case .changeInvalid(let refusal): "the voters cannot be changed like this: \(refusal.reason)"
        case .committedEntryContradicted(let index):
            "the log of the mesh contradicts entry \(index), which is committed on this node"
        case .twoLeaders(let term, let other): "node \(other) leads term \(term), which this node leads too"
        case .diskFailed(let reason): "the log of the mesh cannot be written: \(reason)"
        }
    }

    /// What to do about it.
    public var hint: String {
        switch self {
        case .notLeader, .leadershipLost, .transferring, .changeTooEarly: "try again in a second"
        case .entryTooLarge: "split the request into smaller ones"
        case .tooMuchUncommitted, .tooManyReads: "slow down, and look at `swarmlet node ls` for voters that are down"
        case .changeInProgress: "wait until it has finished"
        case .changeInvalid: "ask for a different set of voters"
        case .committedEntryContradicted, .twoLeaders:
            "keep this node's directory for analysis and let it join again as a new node"
        case .diskFailed: "check the disk of this node, then start it again"
        }
    }
}
