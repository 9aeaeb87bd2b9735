/// Famous mistakes of Raft implementations that the simulator switches on to prove that it would find them.
///
/// Nothing outside the simulator can reach this type.
@_spi(Simulation) public struct RaftFaults: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

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
    /// A change of one voter takes effect at once, without a joint membership, also before the leader's term has committed
    /// anything (Ongaro, raft-dev, July 2015; hydro#3192).
    public static let changeOneVoterAtOnce = RaftFaults(rawValue: 1 << 15)
    /// Compaction forgets the membership in force, so that a rollback finds one from before it (canonical/raft#323).
    public static let forgetCompactedMembership = RaftFaults(rawValue: 1 << 16)
    /// An installed snapshot leaves the membership as it was (openraft's "reset purged membership on snapshot install").
    public static let keepMembershipAtInstall = RaftFaults(rawValue: 1 << 17)
    /// A node that the newest membership removes never campaigns, even where only it has that membership (openraft#2091).
    public static let onlyNewestVotersCampaign = RaftFaults(rawValue: 1 << 18)
    /// A node refuses its vote by its own idea of who may vote (camunda#57386).
    public static let voteByOwnMembership = RaftFaults(rawValue: 1 << 19)
    /// A pre-vote of an earlier term gets no answer, so the asker never learns of the later one (etcd#8501).
    public static let silentOnEarlierPreVote = RaftFaults(rawValue: 1 << 20)
    /// Voters protect their leader even from the election that it asked for itself (canonical/raft#203).
    public static let transferMeetsProtection = RaftFaults(rawValue: 1 << 21)
    /// The commit index is picked from the middle of a sorted list, which is one too far for even numbers (openraft#1802).
    public static let evenQuorumByHalf = RaftFaults(rawValue: 1 << 22)
    /// A write that began before its entries were cut away still counts for those that took their places (etcd#1690,
    /// `async_storage_writes_append_aba_race`).
    public static let completionAfterTruncation = RaftFaults(rawValue: 1 << 23)
    /// A leader with a hanging disk goes on sending heartbeats (etcd#15247, hashicorp/raft#503).
    public static let stalledLeaderStays = RaftFaults(rawValue: 1 << 24)
    /// Heartbeats are answered beside the main path, with a copy of the term that is out of date (hashicorp/raft#695).
    public static let heartbeatWithStaleTerm = RaftFaults(rawValue: 1 << 25)
    /// An append is acknowledged with what was the end of the log instead of the end of the append (microsoft/CCF#6016).
    public static let acknowledgeBeyondReceived = RaftFaults(rawValue: 1 << 26)
    /// A leader takes the hint of a refusal for a match (microsoft/CCF#5674 and its "commit advance on refusal").
    public static let matchFromRefusal = RaftFaults(rawValue: 1 << 27)
    /// Elections start without a pre-vote, so that a node with a bad connection disturbs the others (thesis, 9.6).
    public static let skipPreVote = RaftFaults(rawValue: 1 << 28)
    /// A write that is done stands for all that were handed out before it (openraft#1960).
    public static let completionImpliesEarlier = RaftFaults(rawValue: 1 << 29)
    /// A write that is done before an earlier one is forgotten, and progress with it (openraft#1964).
    public static let earlyCompletionIsLost = RaftFaults(rawValue: 1 << 30)
    /// A lease counts from when the answer arrived instead of from when the question was sent (thesis, 6.4.1).
    public static let leaseFromAnswer = RaftFaults(rawValue: 1 << 31)
    /// A leader sends ahead without counting what is on its way.
    public static let inflightWithoutLimit = RaftFaults(rawValue: 1 << 32)
}
