import Codec
import Scheduler

/// How a job ended.
public struct JobEnded: Hashable, Sendable {
    public var job: JobID
    public var state: TaskState
    /// What `run` and `wait` exit with.
    public var exitCode: Int32
    /// Whether the exit code is the job's own; false: swarmlet's, with the failure below.
    public var fromJob: Bool
    /// Why it did not run to an end of its own.
    public var failure: APIFailure?
    /// Since it was submitted.
    public var milliseconds: UInt64
    public var attempts: UInt32
    public var results: ResultsView?

    public init(
        job: JobID, state: TaskState, exitCode: Int32, fromJob: Bool, failure: APIFailure? = nil,
        milliseconds: UInt64, attempts: UInt32, results: ResultsView? = nil
    ) {
        self.job = job
        self.state = state
        self.exitCode = exitCode
        self.fromJob = fromJob
        self.failure = failure
        self.milliseconds = milliseconds
        self.attempts = attempts
        self.results = results
    }
}

extension JobEnded: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        state = try map.require(2)
        exitCode = try map.require(3)
        fromJob = try map.require(4)
        failure = try map.optional(5)
        milliseconds = try map.require(6)
        attempts = try map.require(7)
        results = try map.optional(8)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, state)
        map.set(3, exitCode)
        map.set(4, fromJob)
        map.set(5, failure)
        map.set(6, milliseconds)
        map.set(7, attempts)
        map.set(8, results)
        return .map(map)
    }
}
