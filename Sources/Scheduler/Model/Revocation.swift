import Codec

/// A node was put out of the mesh for good, because its host or its key is in other hands.
public struct Revocation: Hashable, Sendable, CBORCodable {
    /// Nanoseconds since the Unix epoch.
    public var at: Int64
    /// Who did it.
    public var by: String

    public init(at: Int64 = 0, by: String) {
        self.at = at
        self.by = by
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        at = try map.require(1)
        by = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, at)
        map.set(2, by)
        return .map(map)
    }
}
