import Codec

/// What a node offers to jobs.
public struct Capacity: Hashable, Sendable, CBORCodable {
    /// Thousandths of a CPU.
    public var cpuMillis: UInt64
    public var memoryBytes: UInt64
    /// In the order of their index.
    public var gpus: [GPU]
    /// Why its owner lets jobs use nothing of it for now; nil: they may.
    public var closed: String?

    public init(cpuMillis: UInt64, memoryBytes: UInt64, gpus: [GPU] = [], closed: String? = nil) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.gpus = gpus
        self.closed = closed
    }

    /// As a mesh of level 1 knows it: devices without their place in the machine, and none that has an obstacle; nothing
    /// at all of a host that is closed.
    public var plain: Capacity {
        guard closed == nil else { return Capacity(cpuMillis: 0, memoryBytes: 0) }
        var plain = self
        plain.gpus = gpus.compactMap { gpu in
            guard gpu.obstacle == nil else { return nil }
            return GPU(
                index: gpu.index, uuid: gpu.uuid, model: gpu.model, memoryBytes: gpu.memoryBytes,
                simulated: gpu.simulated)
        }
        return plain
    }

    /// The level of the protocol that has words for it.
    public var level: UInt64 { closed != nil ? 3 : self == plain ? 1 : 2 }

    /// As a mesh of this level can be told.
    public func told(atLevel level: UInt64) -> Capacity { self.level <= level ? self : plain }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        cpuMillis = try map.require(1)
        memoryBytes = try map.require(2)
        gpus = try map.optional(3) ?? []
        closed = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, cpuMillis)
        map.set(2, memoryBytes)
        map.set(3, gpus)
        map.set(4, closed)
        return .map(map)
    }
}
