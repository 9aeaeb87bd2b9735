import Codec

/// A device of a node that jobs can hold, whole: a card, or an instance of a card that is divided (MIG).
public struct GPU: Hashable, Sendable, CBORCodable {
    /// Its number on its node, as the driver counts; an instance has 100 for each card up to its own, plus its number.
    public var index: UInt32
    /// The name the driver gives it for good; a job is shown its devices by this.
    public var uuid: String
    /// As people call it: "RTX 3090".
    public var model: String
    /// What the driver reports, in bytes.
    public var memoryBytes: UInt64
    /// There is no such device: shown wherever the device is.
    public var simulated: Bool
    public var maker: Maker = .nvidia
    /// Why no job is given it now; nil while nothing keeps it from one.
    public var obstacle: GPUObstacle?
    /// Where it sits, as sysfs spells it: "0000:01:00.0".
    public var pciAddress: String?
    /// Of the CPUs and the memory that are near it.
    public var numaNode: UInt32?
    /// The ways to others of this node, each pair once, with the one of the smaller index.
    public var links: [GPULink] = []

    /// Decides by which variables a command is shown its devices.
    public enum Maker: UInt8, Hashable, Sendable, CaseIterable {
        case nvidia = 1
        case amd = 2
    }

    /// The most ways that one device is listed with: those of a node with 64.
    public static let linksMax = 63

    public init(index: UInt32, uuid: String, model: String, memoryBytes: UInt64, simulated: Bool = false) {
        self.index = index
        self.uuid = uuid
        self.model = model
        self.memoryBytes = memoryBytes
        self.simulated = simulated
    }

    /// The size it is sold by: whole GiB, rounded up, because drivers keep a part back (24,564 MiB is a 24 GiB card).
    public var marketedMemoryBytes: UInt64 {
        let gibibyte: UInt64 = 1 << 30
        return memoryBytes > UInt64.max - gibibyte ? memoryBytes : (memoryBytes + gibibyte - 1) / gibibyte * gibibyte
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        index = try map.require(1)
        uuid = try map.require(2)
        model = try map.require(3)
        memoryBytes = try map.require(4)
        simulated = try map.optional(5) ?? false
        obstacle = try map.optional(6)
        pciAddress = try map.optional(7)
        numaNode = try map.optional(8)
        links = try map.optional(9) ?? []
        guard let maker = Maker(rawValue: try map.optional(10) ?? Maker.nvidia.rawValue) else {
            throw .invalid("a device of an unknown maker")
        }
        self.maker = maker
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, index)
        map.set(2, uuid)
        map.set(3, model)
        map.set(4, memoryBytes)
        map.set(5, simulated)
        map.set(6, obstacle)
        map.set(7, pciAddress)
        map.set(8, numaNode)
        if !links.isEmpty { map.set(9, links) }
        if maker != .nvidia { map.set(10, maker.rawValue) }
        return .map(map)
    }
}
