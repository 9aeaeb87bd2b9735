import Codec

/// The times and bounds of one `RaftCore`. Every member of a mesh runs with the same times.
public struct RaftConfiguration: Sendable, Hashable {
    /// The shortest time a follower waits for its leader before it asks for an election, and how long it refuses votes to
    /// others after it heard its leader.
    public var electionTimeoutMinimum: Interval = .milliseconds(300)
    /// The longest such time; each term draws its own between the two (Raft, section 5.2). A leader that has not heard
    /// from a quorum for this long steps down.
    public var electionTimeoutMaximum: Interval = .milliseconds(600)
    /// How long a follower at the most waits before it asks for an election once it knows its leader's process is gone.
    public var lostLeaderTimeoutMaximum: Interval = .milliseconds(120)
    /// Time between two heartbeats of a leader.
    public var heartbeatInterval: Interval = .milliseconds(75)
    /// A learner that has everything gets every so manyth of them: often enough that it is heard within the shortest
    /// election timeout, and seldom enough that many learners cost little. With 1 they get those of reads, too.
    public var heartbeatsPerLearnerHeartbeat = 3
    /// A leader whose disk has not finished a write for this long hands over to one that has a working disk.
    public var diskStallLimit: Interval = .seconds(3)

    /// Answer reads without asking the voters while a majority of them has promised not to elect another leader.
    ///
    /// Off by default, because then a stale read is possible where clocks drift apart by more than
    /// `maximumClockDriftPermille`; without it no promise depends on clocks. With it a follower keeps its promise through
    /// broken connections and restarts, which makes the election after a leader's death slower. The same for all members.
    public var readsFromLease = false
    /// How much faster or slower than real time a member's clock may run, in thousandths, for leases.
    public var maximumClockDriftPermille: Int64 = 50

    /// Entry bytes of one append message.
    public var maximumAppendBytes = 1 << 20
    /// Entries of one append message.
    public var maximumAppendEntries = 4_096
    /// Append messages to one follower that are not yet answered.
    public var maximumInflightAppends = 64
    /// Entry bytes to one follower that are not yet answered.
    public var maximumInflightBytes = 8 << 20

    /// Bytes of one proposed entry.
    public var maximumEntryBytes = 4 << 20
    /// Bytes proposed and not yet committed; beyond it proposals are refused.
    public var maximumUncommittedBytes = 64 << 20
    /// Reads waiting for their leader to be confirmed; beyond it reads are refused.
    public var maximumQueuedReads = 16_384
    /// Messages that wait for the disk; beyond it the oldest are dropped, as a network would.
    public var maximumHeldMessages = 4_096

    /// Bytes of one piece of a snapshot on its way to a follower.
    public var snapshotPieceBytes = RaftSnapshot.pieceBytes
    /// Pieces to one follower that are not yet answered.
    public var maximumInflightPieces = 8
    /// Bytes of a whole snapshot that a follower accepts.
    public var maximumSnapshotBytes = 1 << 36
    /// How long a core waits before it asks for a snapshot again that could not be taken.
    public var snapshotFailurePause: Interval = .seconds(10)
    /// Entry bytes after the last snapshot at which the core asks for a new one.
    public var snapshotThresholdBytes = 16 << 20
    /// Entries after the last snapshot at which the core asks for a new one.
    public var snapshotThresholdEntries = 65_536
    /// Entries kept before a snapshot so that a slow follower needs no snapshot.
    public var trailingEntries = 1_024

    /// Known mistakes put back on purpose, so that the simulator can show that it finds them.
    @_spi(Simulation) public var faults: RaftFaults = []

    public init() {}

    /// How long a leader may trust the answers to a heartbeat round, counted from when the round was sent: shorter than
    /// the time for which the voters have promised to refuse others, by what the clocks may differ (thesis, 6.4.1).
    var leaseDuration: Interval {
        let drift = min(max(maximumClockDriftPermille, 0), 1_000)
        return Interval(nanoseconds: electionTimeoutMinimum.nanoseconds / (1_000 + drift) * (1_000 - drift))
    }
}
