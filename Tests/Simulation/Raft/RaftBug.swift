@_spi(Simulation) import Raft

/// A famous mistake that can be put back into every node, to show that the storms find it: invariant (20).
///
/// docs/raft.md has a table with the reports that each stands for.
public struct RaftBug: Sendable {
    /// Short name, as `simulate --bugs` prints it.
    public let name: String
    let faults: RaftFaults
    let driverFaults: DriverFaults
    /// A seed that finds it, or found it when scenarios were last changed: where a short search begins.
    public let knownSeed: UInt64
    /// Seeds within which it must be found from anywhere.
    public static let seedLimit = 2_000

    private init(_ name: String, _ faults: RaftFaults, _ knownSeed: UInt64) {
        (self.name, self.faults, self.driverFaults, self.knownSeed) = (name, faults, [], knownSeed)
    }

    private init(_ name: String, driver: DriverFaults, _ knownSeed: UInt64) {
        (self.name, self.faults, self.driverFaults, self.knownSeed) = (name, [], driver, knownSeed)
    }

    /// Those of the core in the order of `RaftFaults`, then those of what surrounds it in the order of `DriverFaults`.
    public static let all: [RaftBug] = [
        RaftBug("commit-older-term-by-counting", .commitOlderTermByCounting, 1),
        RaftBug("vote-before-durable", .voteBeforeDurable, 1),
        RaftBug("acknowledge-before-durable", .acknowledgeBeforeDurable, 1),
        RaftBug("count-own-before-durable", .countOwnBeforeDurable, 1),
        RaftBug("read-with-reused-round", .readWithReusedRound, 232),
        RaftBug("read-before-first-commit", .readBeforeFirstCommit, 1),
        RaftBug("joint-needs-new-majority-only", .jointNeedsNewMajorityOnly, 5),
        RaftBug("commit-beyond-received", .commitBeyondReceived, 1),
        RaftBug("truncate-without-conflict", .truncateWithoutConflict, 1),
        RaftBug("vote-without-log-check", .voteWithoutLogCheck, 2),
        RaftBug("count-votes-twice", .countVotesTwice, 2),
        RaftBug("keep-truncated-membership", .keepTruncatedMembership, 2),
        RaftBug("read-without-round", .readWithoutRound, 13),
        RaftBug("keep-log-beside-snapshot", .keepLogBesideSnapshot, 114),
        RaftBug("membership-on-commit", .membershipOnCommit, 5),
        RaftBug("change-one-voter-at-once", .changeOneVoterAtOnce, 4),
        RaftBug("forget-compacted-membership", .forgetCompactedMembership, 49),
        RaftBug("keep-membership-at-install", .keepMembershipAtInstall, 5),
        RaftBug("only-newest-voters-campaign", .onlyNewestVotersCampaign, 8),
        RaftBug("vote-by-own-membership", .voteByOwnMembership, 8),
        RaftBug("silent-on-earlier-pre-vote", .silentOnEarlierPreVote, 464),
        RaftBug("transfer-meets-protection", .transferMeetsProtection, 21),
        RaftBug("even-quorum-by-half", .evenQuorumByHalf, 2),
        RaftBug("completion-after-truncation", .completionAfterTruncation, 10),
        RaftBug("stalled-leader-stays", .stalledLeaderStays, 21),
        RaftBug("heartbeat-with-stale-term", .heartbeatWithStaleTerm, 24),
        RaftBug("acknowledge-beyond-received", .acknowledgeBeyondReceived, 1),
        RaftBug("match-from-refusal", .matchFromRefusal, 1),
        RaftBug("skip-pre-vote", .skipPreVote, 5),
        RaftBug("completion-implies-earlier", .completionImpliesEarlier, 2),
        RaftBug("early-completion-is-lost", .earlyCompletionIsLost, 2),
        RaftBug("lease-from-answer", .leaseFromAnswer, 1049),
        RaftBug("inflight-without-limit", .inflightWithoutLimit, 1),
        RaftBug("confirms-before-durable", driver: .confirmsBeforeDurable, 1),
        RaftBug("applied-index-apart", driver: .appliedIndexApart, 1),
        RaftBug("cache-keeps-truncated", driver: .cacheKeepsTruncated, 2),
        RaftBug("damage-cut-silently", driver: .damageCutSilently, 4),
        RaftBug("hard-state-unsynced", driver: .hardStateUnsynced, 1),
        RaftBug("snapshot-without-sessions", driver: .snapshotWithoutSessions, 6),
    ]

    /// The first run that finds it, with how many seeds were tried; nil where none does within the limit.
    public func hunt(from first: UInt64, limit: Int = seedLimit) -> (outcome: RaftSimulationOutcome, tried: Int)? {
        for tried in 1...limit {
            let outcome = run(seed: first + UInt64(tried - 1))
            if outcome.violation != nil { return (outcome, tried) }
        }
        return nil
    }

    /// One run with this mistake in it.
    public func run(seed: UInt64, tellsStory: Bool = false) -> RaftSimulationOutcome {
        var options = RaftSimulationOptions()
        options.faults = faults
        options.driverFaults = driverFaults
        options.tellsStory = tellsStory
        return RaftSimulation(seed: seed, options: options).run()
    }
}
