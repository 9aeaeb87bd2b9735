import Codec

/// What a node offers to jobs.
public struct Capacity: Hashable, Sendable, CBORCodable {
    /// Thousandths of a CPU.
    public var cpuMillis: UInt64
    public var memoryBytes: UInt64
    /// In the order of their index.
    public var gpus: [GPU]

    public init(cpuMillis: UInt64, memoryBytes: UInt64, gpus: [GPU] = []) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.gpus = gpus
    }

    /// As a mesh of level 1 knows it: devices without their place in the machine, and none that has an obstacle.
    public var plain: Capacity {
        var plain = self
        plain.gpus = gpus.compactMap { gpu in
            guard gpu.obstacle == nil else { return nil }
            return GPU(
                index: gpu.index, uuid: gpu.uuid, model: gpu.model, memoryBytes: gpu.memoryBytes,
                simulated: gpu.simulated)
        }
        return plain
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        cpuMillis = try map.require(1)
        memoryBytes = try map.require(2)
        gpus = try map.optional(3) ?? []
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, cpuMillis)
        map.set(2, memoryBytes)
        map.set(3, gpus)
        return .map(map)
    }
}
