/// Which state a snapshot that is to be taken stands for.
public struct RaftSnapshotPlan: Hashable, Sendable {
    /// The last entry that has been applied.
    public var index: UInt64
    /// That entry's term.
    public var term: UInt64
    /// The membership in force at `index`.
    public var membership: RaftMembership

    public init(index: UInt64, term: UInt64, membership: RaftMembership) {
        self.index = index
        self.term = term
        self.membership = membership
    }
}
