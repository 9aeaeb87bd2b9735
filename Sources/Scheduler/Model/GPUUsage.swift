import Codec

/// How a device was used while an attempt held it, as far as its driver tells.
public struct GPUUsage: Hashable, Sendable, CBORCodable {
    public var index: UInt32
    /// Of the time in which it was looked at: thousandths in which the device worked.
    public var busyThousandths: UInt32?
    /// At its highest.
    public var peakMemoryBytes: UInt64?
    public var energyMillijoules: UInt64?

    public init(
        index: UInt32, busyThousandths: UInt32? = nil, peakMemoryBytes: UInt64? = nil, energyMillijoules: UInt64? = nil
    ) {
        self.index = index
        self.busyThousandths = busyThousandths
        self.peakMemoryBytes = peakMemoryBytes
        self.energyMillijoules = energyMillijoules
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        index = try map.require(1)
        busyThousandths = try map.optional(2)
        peakMemoryBytes = try map.optional(3)
        energyMillijoules = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, index)
        map.set(2, busyThousandths)
        map.set(3, peakMemoryBytes)
        map.set(4, energyMillijoules)
        return .map(map)
    }
}
