import Codec
import Scheduler

/// How an attempt ended and what it used.
public struct AttemptResult: Hashable, Sendable, CBORCodable {
    public var outcome: Outcome
    /// Unix nanoseconds; nil when the command never ran.
    public var startedAt: Int64?
    /// Unix nanoseconds.
    public var endedAt: Int64
    public var cpuMicroseconds: UInt64
    public var peakMemoryBytes: UInt64
    /// Bytes of output the command wrote, those dropped by the bound of the log included.
    public var outputBytes: UInt64

    public init(
        outcome: Outcome, startedAt: Int64?, endedAt: Int64, cpuMicroseconds: UInt64 = 0, peakMemoryBytes: UInt64 = 0,
        outputBytes: UInt64 = 0
    ) {
        self.outcome = outcome
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.cpuMicroseconds = cpuMicroseconds
        self.peakMemoryBytes = peakMemoryBytes
        self.outputBytes = outputBytes
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        outcome = try map.require(1)
        startedAt = try map.optional(2)
        endedAt = try map.require(3)
        cpuMicroseconds = try map.optional(4) ?? 0
        peakMemoryBytes = try map.optional(5) ?? 0
        outputBytes = try map.optional(6) ?? 0
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, outcome)
        map.set(2, startedAt)
        map.set(3, endedAt)
        map.set(4, cpuMicroseconds)
        map.set(5, peakMemoryBytes)
        map.set(6, outputBytes)
        return .map(map)
    }
}
