import Codec

/// That another key issues tokens in the place of one that did.
public struct IssuerReplacement: Hashable, Sendable, CBORCodable {
    /// Nanoseconds since the Unix epoch: what the old key issues later is not believed.
    public var at: Int64
    /// The id of the key that came.
    public var by: String

    public init(at: Int64, by: String) {
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
