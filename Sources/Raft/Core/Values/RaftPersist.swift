/// One atomic change of what a node keeps on disk. Changes are applied in the order they were given out.
///
/// Within one change the order is: cut the log from `truncateFrom`, keep `snapshot`, forget entries up to
/// `compactThrough`, append `entries`, write `hardState`.
public struct RaftPersist: Hashable, Sendable {
    /// Number of this change; `RaftInput.persisted` names it once it is durable.
    public var token: UInt64
    /// Nil where it has not changed.
    public var hardState: RaftHardState?
    /// Entries with this index and after it go away first.
    public var truncateFrom: UInt64?
    /// Entries to append, without gaps.
    public var entries: [RaftEntry]
    /// Takes the place of the snapshot before it.
    public var snapshot: RaftSnapshot?
    /// Entries up to and including this index are no longer needed.
    public var compactThrough: UInt64?
    /// Term of the entry at `compactThrough`.
    public var compactTerm: UInt64

    public init(
        token: UInt64, hardState: RaftHardState? = nil, truncateFrom: UInt64? = nil, entries: [RaftEntry] = [],
        snapshot: RaftSnapshot? = nil, compactThrough: UInt64? = nil, compactTerm: UInt64 = 0
    ) {
        self.token = token
        self.hardState = hardState
        self.truncateFrom = truncateFrom
        self.entries = entries
        self.snapshot = snapshot
        self.compactThrough = compactThrough
        self.compactTerm = compactTerm
    }
}
