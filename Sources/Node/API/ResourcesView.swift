import Codec

/// What each task of a job holds.
public struct ResourcesView: Hashable, Sendable {
    public var cpuMillis: UInt64
    /// nil: decided when placed.
    public var memoryBytes: UInt64?
    public var gpus: UInt32
    public var gpuMemoryBytes: UInt64?

    public init(cpuMillis: UInt64, memoryBytes: UInt64? = nil, gpus: UInt32, gpuMemoryBytes: UInt64? = nil) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.gpus = gpus
        self.gpuMemoryBytes = gpuMemoryBytes
    }
}

extension ResourcesView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        cpuMillis = try map.require(1)
        memoryBytes = try map.optional(2)
        gpus = try map.require(3)
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
