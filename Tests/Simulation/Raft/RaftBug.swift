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
        RaftBug("read-with-reused-round", .readWithReusedRound, 1),
        RaftBug("read-before-first-commit", .readBeforeFirstCommit, 3),
        RaftBug("joint-needs-new-majority-only", .jointNeedsNewMajorityOnly, 4),
        RaftBug("commit-beyond-received", .commitBeyondReceived, 4),
        RaftBug("truncate-without-conflict", .truncateWithoutConflict, 1),
        RaftBug("vote-without-log-check", .voteWithoutLogCheck, 1),
        RaftBug("count-votes-twice", .countVotesTwice, 4),
        RaftBug("keep-truncated-membership", .keepTruncatedMembership, 1),
        RaftBug("read-without-round", .readWithoutRound, 10),
        RaftBug("keep-log-beside-snapshot", .keepLogBesideSnapshot, 64),
        RaftBug("membership-on-commit", .membershipOnCommit, 4),
        RaftBug("change-one-voter-at-once", .changeOneVoterAtOnce, 1),
        RaftBug("forget-compacted-membership", .forgetCompactedMembership, 1),
        RaftBug("keep-membership-at-install", .keepMembershipAtInstall, 5),
        RaftBug("only-newest-voters-campaign", .onlyNewestVotersCampaign, 14),
        RaftBug("vote-by-own-membership", .voteByOwnMembership, 8),
        RaftBug("silent-on-earlier-pre-vote", .silentOnEarlierPreVote, 86),
        RaftBug("transfer-meets-protection", .transferMeetsProtection, 4),
        RaftBug("even-quorum-by-half", .evenQuorumByHalf, 2),
        RaftBug("completion-after-truncation", .completionAfterTruncation, 5),
        RaftBug("stalled-leader-stays", .stalledLeaderStays, 6),
        RaftBug("heartbeat-with-stale-term", .heartbeatWithStaleTerm, 5),
        RaftBug("acknowledge-beyond-received", .acknowledgeBeyondReceived, 1),
        RaftBug("match-from-refusal", .matchFromRefusal, 1),
        RaftBug("skip-pre-vote", .skipPreVote, 2),
        RaftBug("completion-implies-earlier", .completionImpliesEarlier, 1),
        RaftBug("early-completion-is-lost", .earlyCompletionIsLost, 1),
        RaftBug("lease-from-answer", .leaseFromAnswer, 1),
        RaftBug("inflight-without-limit", .inflightWithoutLimit, 1),
        RaftBug("confirms-before-durable", driver: .confirmsBeforeDurable, 1),
        RaftBug("applied-index-apart", driver: .appliedIndexApart, 1),
        RaftBug("cache-keeps-truncated", driver: .cacheKeepsTruncated, 2),
        RaftBug("damage-cut-silently", driver: .damageCutSilently, 2),
        RaftBug("hard-state-unsynced", driver: .hardStateUnsynced, 1),
        RaftBug("snapshot-without-sessions", driver: .snapshotWithoutSessions, 10),
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
