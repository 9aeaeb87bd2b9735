/// Famous mistakes of Raft implementations that the simulator switches on to prove that it would find them.
///
/// Nothing outside the simulator can reach this type.
@_spi(Simulation) public struct RaftFaults: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// An entry of an older term is committed by counting copies (Raft, figure 8; logcabin#44).
    public static let commitOlderTermByCounting = RaftFaults(rawValue: 1 << 0)
    /// A vote is sent before it is on disk (camunda#1068, robustmq#2039).
    public static let voteBeforeDurable = RaftFaults(rawValue: 1 << 1)
    /// An append is acknowledged before it is on disk (etcd#14143).
    public static let acknowledgeBeforeDurable = RaftFaults(rawValue: 1 << 2)
    /// The leader counts its own copy before it is on disk.
    public static let countOwnBeforeDurable = RaftFaults(rawValue: 1 << 3)
    /// Any heartbeat answer of the term confirms a read, also one that was on its way before the read (etcd#20418).
    public static let readWithReusedRound = RaftFaults(rawValue: 1 << 4)
    /// A new leader answers reads before it has committed an entry of its own term (etcd#7331, redisraft#22).
    public static let readBeforeFirstCommit = RaftFaults(rawValue: 1 << 5)
    /// A joint membership asks only the new voters for a majority (openraft#1802 in effect).
    public static let jointNeedsNewMajorityOnly = RaftFaults(rawValue: 1 << 6)
    /// A heartbeat commits what the follower holds, whether or not the leader knows it to be the same (Raft, figure 2:
    /// `min(leaderCommit, index of last new entry)`).
    public static let commitBeyondReceived = RaftFaults(rawValue: 1 << 7)
    /// A follower cuts its log behind every append, also behind a late duplicate.
    public static let truncateWithoutConflict = RaftFaults(rawValue: 1 << 8)
    /// A vote is given without comparing logs (Raft, section 5.4.1).
    public static let voteWithoutLogCheck = RaftFaults(rawValue: 1 << 9)
    /// A vote that arrives twice counts twice (akka-raft#47).
    public static let countVotesTwice = RaftFaults(rawValue: 1 << 10)
    /// A membership whose entry was cut away stays in force (canonical/raft#250).
    public static let keepTruncatedMembership = RaftFaults(rawValue: 1 << 11)
    /// A leader answers reads without asking anybody (RedisRaft, Jepsen 2020).
    public static let readWithoutRound = RaftFaults(rawValue: 1 << 12)
    /// A follower keeps its old log beside an installed snapshot (dqlite#575 in effect).
    public static let keepLogBesideSnapshot = RaftFaults(rawValue: 1 << 13)
    /// A membership counts from its commit instead of from its append (etcd#7625).
    public static let membershipOnCommit = RaftFaults(rawValue: 1 << 14)
}
