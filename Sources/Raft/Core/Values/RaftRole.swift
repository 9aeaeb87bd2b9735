/// What a node is doing in its term. A learner is a follower that no quorum counts.
public enum RaftRole: UInt8, Sendable, Hashable, CaseIterable {
    case follower
    /// Asks whether an election could be won, without disturbing the term (Ongaro's thesis, section 9.6).
    case preCandidate
    case candidate
    case leader
}
