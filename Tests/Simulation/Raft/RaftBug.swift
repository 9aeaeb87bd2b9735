@_spi(Simulation) import Raft

/// A famous mistake that can be put back into every node, to show that the storms find it.
public struct RaftBug: Sendable {
    /// Short name, as `simulate --bugs` prints it.
    public let name: String
    let faults: RaftFaults
    /// A seed that finds it, or found it when scenarios were last changed: where a short search begins.
    public let knownSeed: UInt64
    /// Seeds within which it must be found from anywhere; the worst of them has needed 231.
    public static let seedLimit = 1_000

    /// All of them, in the order of `RaftFaults`.
    public static let all: [RaftBug] = [
        RaftBug(name: "commit-older-term-by-counting", faults: .commitOlderTermByCounting, knownSeed: 2),
        RaftBug(name: "vote-before-durable", faults: .voteBeforeDurable, knownSeed: 1),
        RaftBug(name: "acknowledge-before-durable", faults: .acknowledgeBeforeDurable, knownSeed: 1),
        RaftBug(name: "count-own-before-durable", faults: .countOwnBeforeDurable, knownSeed: 1),
        RaftBug(name: "read-with-reused-round", faults: .readWithReusedRound, knownSeed: 54),
        RaftBug(name: "read-before-first-commit", faults: .readBeforeFirstCommit, knownSeed: 2),
        RaftBug(name: "joint-needs-new-majority-only", faults: .jointNeedsNewMajorityOnly, knownSeed: 29),
        RaftBug(name: "commit-beyond-received", faults: .commitBeyondReceived, knownSeed: 2),
        RaftBug(name: "truncate-without-conflict", faults: .truncateWithoutConflict, knownSeed: 2),
        RaftBug(name: "vote-without-log-check", faults: .voteWithoutLogCheck, knownSeed: 1),
        RaftBug(name: "count-votes-twice", faults: .countVotesTwice, knownSeed: 2),
        RaftBug(name: "keep-truncated-membership", faults: .keepTruncatedMembership, knownSeed: 20),
        RaftBug(name: "read-without-round", faults: .readWithoutRound, knownSeed: 11),
        RaftBug(name: "keep-log-beside-snapshot", faults: .keepLogBesideSnapshot, knownSeed: 28),
        RaftBug(name: "membership-on-commit", faults: .membershipOnCommit, knownSeed: 2),
    ]

    /// The run that finds it first, with how many seeds were tried; nil where none does within the limit.
    public func hunt(from first: UInt64, limit: Int = seedLimit) -> (outcome: RaftSimulationOutcome, tried: Int)? {
        var options = RaftSimulationOptions()
        options.faults = faults
        for tried in 1...limit {
            let outcome = RaftSimulation(seed: first + UInt64(tried - 1), options: options).run()
            if outcome.violation != nil { return (outcome, tried) }
        }
        return nil
    }
}
