import Codec

/// What an attempt used of its host, from its start to its end.
public struct AttemptUsage: Hashable, Sendable, CBORCodable {
    /// Of all its processes.
    public var cpuMicroseconds: UInt64
    /// At its highest: all that its control group was charged, or without one what its largest process held.
    public var peakMemoryBytes: UInt64
    /// From storage; what was in memory already does not count.
    public var readBytes: UInt64
    public var writtenBytes: UInt64
    public var source: Source
    /// Nil where it held no devices, or nobody looked.
    public var gpu: GPUUsage?

    /// Who has counted.
    public enum Source: UInt64, Sendable {
        /// The kernel for each process (getrusage(2)).
        case processes = 0
        /// Memory by a control group of version 1, the rest by process.
        case groupVersion1 = 1
        /// By a control group of version 2, as far as its controllers go.
        case groupVersion2 = 2

        public var text: String {
            switch self {
            case .processes: "processes"
            case .groupVersion1: "cgroup v1"
            case .groupVersion2: "cgroup v2"
            }
        }
    }

    public init(
        cpuMicroseconds: UInt64 = 0, peakMemoryBytes: UInt64 = 0, readBytes: UInt64 = 0, writtenBytes: UInt64 = 0,
        source: Source = .processes, gpu: GPUUsage? = nil
    ) {
        self.cpuMicroseconds = cpuMicroseconds
        self.peakMemoryBytes = peakMemoryBytes
        self.readBytes = readBytes
        self.writtenBytes = writtenBytes
        self.source = source
        self.gpu = gpu
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        cpuMicroseconds = try map.optional(1) ?? 0
        peakMemoryBytes = try map.optional(2) ?? 0
        readBytes = try map.optional(3) ?? 0
        writtenBytes = try map.optional(4) ?? 0
        let number: UInt64 = try map.optional(5) ?? 0
        guard let source = Source(rawValue: number) else { throw .unknownKind("AttemptUsage.Source", number) }
        self.source = source
        gpu = try map.optional(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, cpuMicroseconds)
        map.set(2, peakMemoryBytes)
        map.set(3, readBytes)
        map.set(4, writtenBytes)
        map.set(5, source.rawValue)
        map.set(6, gpu)
        return .map(map)
    }
}
