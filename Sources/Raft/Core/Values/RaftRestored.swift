import Codec

/// What a node found on its disk, from which `RaftCore` starts.
public struct RaftRestored: Hashable, Sendable {
    public var hardState: RaftHardState
    /// The snapshot, from which the caller has restored its state machine.
    public var snapshot: RaftSnapshot?
    /// Index of the entry before the first of `entries`; at most the snapshot's index.
    public var baseIndex: UInt64
    /// Term of that entry.
    public var baseTerm: UInt64
    /// The log after `baseIndex`, without gaps.
    public var entries: [RaftEntry]
    /// How far the caller's state machine has been brought already: at most to `hardState.commitIndex`, and no less far
    /// than the snapshot, which 0 stands for.
    public var appliedIndex: UInt64 = 0

    public init(
        hardState: RaftHardState = RaftHardState(), snapshot: RaftSnapshot? = nil, baseIndex: UInt64 = 0,
        baseTerm: UInt64 = 0, entries: [RaftEntry] = []
    ) {
        self.hardState = hardState
        self.snapshot = snapshot
        self.baseIndex = baseIndex
        self.baseTerm = baseTerm
        self.entries = entries
    }

    /// A new mesh whose only voter is `id`: its first entry says so.
    ///
    /// It must be on disk (`foundingPersist`) before a core starts from it.
    public static func founding(id: NodeID) -> RaftRestored {
        RaftRestored(
            hardState: RaftHardState(term: 1, vote: id, commitIndex: 1),
            entries: [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: [id])))])
    }

    /// A node that has nothing yet and waits until a leader sends it the log.
    public static func joining() -> RaftRestored { RaftRestored() }

    /// The change that writes this state to an empty disk.
    public var foundingPersist: RaftPersist {
        RaftPersist(token: 0, hardState: hardState, entries: entries, snapshot: snapshot)
    }

    /// Index of the last entry, or of the snapshot.
    public var lastIndex: UInt64 { max(entries.last?.index ?? baseIndex, snapshot?.index ?? 0) }

    /// Index of the last entry without regard to the snapshot.
    var lastLogIndex: UInt64 { entries.last?.index ?? baseIndex }

    /// True where acknowledged entries are missing; such a node neither votes nor leads until its leader has repaired it.
    public var isDamaged: Bool { hardState.damage != nil }
}
