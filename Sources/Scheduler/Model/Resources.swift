import Codec

/// What one task asks of its node.
public struct Resources: Hashable, Sendable, CBORCodable {
    /// Thousandths of a CPU.
    public var cpuMillis: UInt64
    /// Nil: the share that the asked CPUs have of the node, at least 2 GiB (`MemoryRule`).
    public var memoryBytes: UInt64?
    /// Whole devices on one node.
    public var gpus: UInt32
    /// Each device has at least this much, by the size it is sold by.
    public var gpuMemoryBytes: UInt64?

    public init(
        cpuMillis: UInt64 = 1000, memoryBytes: UInt64? = nil, gpus: UInt32 = 0, gpuMemoryBytes: UInt64? = nil
    ) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.gpus = gpus
        self.gpuMemoryBytes = gpuMemoryBytes
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        cpuMillis = try map.optional(1) ?? 1000
        memoryBytes = try map.optional(2)
        gpus = try map.optional(3) ?? 0
        gpuMemoryBytes = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, cpuMillis)
        map.set(2, memoryBytes)
        map.set(3, gpus)
        map.set(4, gpuMemoryBytes)
        return .map(map)
    }
}
