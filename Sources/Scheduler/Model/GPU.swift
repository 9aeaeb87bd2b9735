import Codec

/// A device of a node that jobs can hold, whole.
public struct GPU: Hashable, Sendable, CBORCodable {
    /// Its number on its node, as the driver counts.
    public var index: UInt32
    /// The name the driver gives it for good; a job is shown its devices by this.
    public var uuid: String
    /// As people call it: "RTX 3090".
    public var model: String
    /// What the driver reports, in bytes.
    public var memoryBytes: UInt64
    /// There is no such device: shown wherever the device is.
    public var simulated: Bool

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
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, index)
        map.set(2, uuid)
        map.set(3, model)
        map.set(4, memoryBytes)
        map.set(5, simulated)
        return .map(map)
    }
}
