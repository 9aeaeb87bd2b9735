import Raft

/// What a simulated run came to.
public struct RaftSimulationOutcome: Sendable {
    public var seed: UInt64
    /// Nil where all rules held.
    public var violation: Violation?
    /// The same for each run of a seed.
    public var digest: TraceDigest
    /// What happened, line by line, where it was asked for.
    public var story: [String]
    /// The steps of all cores in order, where they were asked for.
    public var trace: [RaftTraceEvent] = []
    public var steps = 0
    public var elections = 0
    public var committed: UInt64 = 0
    public var reads = 0
    public var crashes = 0
    public var membershipChanges = 0
    public var snapshotsInstalled = 0
    /// Requests of clients, and how many were answered.
    public var operations = 0
    public var answers = 0
    /// Histories that were too hard to judge.
    public var undecided = 0

    public init(seed: UInt64, violation: Violation?, digest: TraceDigest, story: [String]) {
        (self.seed, self.violation, self.digest, self.story) = (seed, violation, digest, story)
    }
}
