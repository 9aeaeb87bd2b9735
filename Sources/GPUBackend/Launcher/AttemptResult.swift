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
    public var readBytes: UInt64
    public var writtenBytes: UInt64
    public var source: AttemptUsage.Source

    public init(
        outcome: Outcome, startedAt: Int64?, endedAt: Int64, cpuMicroseconds: UInt64 = 0, peakMemoryBytes: UInt64 = 0,
        outputBytes: UInt64 = 0, readBytes: UInt64 = 0, writtenBytes: UInt64 = 0,
        source: AttemptUsage.Source = .processes
    ) {
        self.outcome = outcome
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.cpuMicroseconds = cpuMicroseconds
        self.peakMemoryBytes = peakMemoryBytes
        self.outputBytes = outputBytes
        self.readBytes = readBytes
        self.writtenBytes = writtenBytes
        self.source = source
    }

    /// For the mesh.
    public var usage: AttemptUsage {
        AttemptUsage(
            cpuMicroseconds: cpuMicroseconds, peakMemoryBytes: peakMemoryBytes, readBytes: readBytes,
            writtenBytes: writtenBytes, source: source)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        outcome = try map.require(1)
        startedAt = try map.optional(2)
        endedAt = try map.require(3)
        cpuMicroseconds = try map.optional(4) ?? 0
        peakMemoryBytes = try map.optional(5) ?? 0
        outputBytes = try map.optional(6) ?? 0
        readBytes = try map.optional(7) ?? 0
        writtenBytes = try map.optional(8) ?? 0
        source = AttemptUsage.Source(rawValue: try map.optional(9) ?? 0) ?? .processes
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, outcome)
        map.set(2, startedAt)
        map.set(3, endedAt)
        map.set(4, cpuMicroseconds)
        map.set(5, peakMemoryBytes)
        map.set(6, outputBytes)
        map.set(7, readBytes)
        map.set(8, writtenBytes)
        map.set(9, source.rawValue)
        return .map(map)
    }
}
