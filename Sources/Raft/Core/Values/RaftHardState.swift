import Codec

/// What a node must find again after a crash beside its log (Raft, figure 2), and how far it knew things were committed.
public struct RaftHardState: Hashable, Sendable {
    /// The latest term this node has seen.
    public var term: UInt64
    /// Whom it voted for in `term`.
    public var vote: NodeID?
    /// An index known to be committed when this was written. It may lag and is only a head start.
    public var commitIndex: UInt64
    /// Set while the log is known to have lost acknowledged entries: what it once held.
    public var damage: RaftMark?

    public init(term: UInt64 = 0, vote: NodeID? = nil, commitIndex: UInt64 = 0, damage: RaftMark? = nil) {
        self.term = term
        self.vote = vote
        self.commitIndex = commitIndex
        self.damage = damage
    }
}
