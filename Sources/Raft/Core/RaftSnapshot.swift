/// The replicated state as it was after one entry, standing for the log up to and including it.
public struct RaftSnapshot: Hashable, Sendable {
    /// The last entry it stands for.
    public var index: UInt64
    /// That entry's term.
    public var term: UInt64
    /// The membership in force at `index`.
    public var membership: RaftMembership
    /// The state machine's own bytes.
    public var data: [UInt8]

    public init(index: UInt64, term: UInt64, membership: RaftMembership, data: [UInt8]) {
        self.index = index
        self.term = term
        self.membership = membership
        self.data = data
    }
}
