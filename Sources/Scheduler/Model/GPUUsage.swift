import Codec

/// What an attempt used of its devices, as its host saw it every other second. Nil: the drivers do not say, or it was too short.
public struct GPUUsage: Hashable, Sendable, CBORCodable {
    /// In hundredths, the mean of all devices and looks.
    public var utilisation: UInt32?
    /// Of all its devices together, at its highest.
    public var peakMemoryBytes: UInt64?
    public var millijoules: UInt64?

    public init(utilisation: UInt32? = nil, peakMemoryBytes: UInt64? = nil, millijoules: UInt64? = nil) {
        self.utilisation = utilisation
        self.peakMemoryBytes = peakMemoryBytes
        self.millijoules = millijoules
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        utilisation = try map.optional(1)
        peakMemoryBytes = try map.optional(2)
        millijoules = try map.optional(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, utilisation)
        map.set(2, peakMemoryBytes)
        map.set(3, millijoules)
        return .map(map)
    }
}
