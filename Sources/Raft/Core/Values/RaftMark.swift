import Codec

/// The last state a log made durable, kept apart from it, so that a hole can be told from a torn end
/// (Alagappan and others, Protocol-Aware Recovery, FAST 2018).
public struct RaftMark: Hashable, Sendable {
    /// Last index of the log.
    public var index: UInt64
    /// Term of the node.
    public var term: UInt64
    /// Vote of the node in `term`.
    public var vote: NodeID?

    /// An index that no log reaches: nobody knows how far this one did.
    public static let unknownIndex: UInt64 = 1 << 61

    public init(index: UInt64, term: UInt64, vote: NodeID?) {
        self.index = index
        self.term = term
        self.vote = vote
    }
}
