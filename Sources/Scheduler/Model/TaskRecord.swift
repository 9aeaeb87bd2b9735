import Codec

/// A task as the mesh knows it.
public struct TaskRecord: Hashable, Sendable, CBORCodable {
    public var state: TaskState
    /// Ascending; only the newest `attemptsKeptMax` stay.
    public var attempts: [Attempt]
    /// Failures of its own so far; lost hosts are not among them.
    public var failures: UInt32
    /// Ascending by number; the newest that the policy of the job keeps.
    public var checkpoints: [Checkpoint]
    public var results: ResultFiles? {
        get { sharedResults?.value }
        set { sharedResults = newValue.map { Shared($0) } }
    }
    /// Most tasks have none: a pointer instead of room for them in every record.
    private var sharedResults: Shared<ResultFiles>?

    /// Attempts of one task that stay in memory.
    public static let attemptsKeptMax = 16

    public init(
        state: TaskState = .pending, attempts: [Attempt] = [], failures: UInt32 = 0, checkpoints: [Checkpoint] = [],
        results: ResultFiles? = nil
    ) {
        self.state = state
        self.attempts = attempts
        self.failures = failures
        self.checkpoints = checkpoints
        sharedResults = results.map { Shared($0) }
    }

    /// The newest attempt while it has not ended.
    public var liveAttempt: Attempt? {
        guard let last = attempts.last, last.outcome == nil else { return nil }
        return last
    }

    /// The number the next attempt will have.
    public var nextAttempt: UInt32 { (attempts.last?.number ?? 0) + 1 }

    /// Nil until it ended; 130 when it was cancelled before it began.
    public var exitCode: Int32? {
        switch state {
        case .succeeded: return 0
        case .failed: return attempts.last?.outcome?.exitCode ?? 125
        case .cancelled: return Outcome.cancelled.exitCode
        case .pending, .placed, .preparing, .running, .unknown: return nil
        }
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        state = try map.require(1)
        attempts = try map.optional(2) ?? []
        failures = try map.optional(3) ?? 0
        checkpoints = try map.optional(4) ?? []
        sharedResults = try map.optional(5, ResultFiles.self).map { Shared($0) }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, state)
        map.set(2, attempts.isEmpty ? nil : attempts)
        map.set(3, failures == 0 ? nil : failures)
        map.set(4, checkpoints.isEmpty ? nil : checkpoints)
        map.set(5, results)
        return .map(map)
    }
}
