import Codec

/// How far one member's copy of the log is, as its leader knows it.
public struct RaftPeerProgress: Hashable, Sendable {
    /// How the leader feeds the member.
    public enum Phase: String, Hashable, Sendable {
        /// Looks for the place where the logs part, one message at a time.
        case probe
        /// Sends ahead without waiting.
        case replicate
        /// Sends the snapshot.
        case snapshot
    }

    public var id: NodeID
    public var isVoter: Bool
    /// The last entry that is known to be durable there.
    public var matchIndex: UInt64
    public var phase: Phase
    /// Entries of the leader's log that are not known to be durable there.
    public var behind: UInt64
    /// When the leader last heard from it.
    public var heardAt: Instant

    /// True for a member that takes entries as they come: as a voter it would not hold the others up. A learner is made a
    /// voter when this holds and not before.
    public var hasCaughtUp: Bool { phase == .replicate && behind <= Self.caughtUpEntries }

    /// Entries that a member at full speed may be behind.
    public static let caughtUpEntries: UInt64 = 64
}
