import Codec

/// That another key has taken the place of one.
public struct RotatedView: Hashable, Sendable {
    /// Whose key it is.
    public var name: String
    /// The ids of both.
    public var oldKey: String
    public var newKey: String
    /// Unix nanoseconds: until when what the old one had signed is believed.
    public var believedUntil: Int64
    /// Tokens that the mesh knows to have been made with the old one and that have not run out.
    public var tokens: UInt64

    public init(name: String, oldKey: String, newKey: String, believedUntil: Int64, tokens: UInt64) {
        self.name = name
        self.oldKey = oldKey
        self.newKey = newKey
        self.believedUntil = believedUntil
        self.tokens = tokens
    }
}

extension RotatedView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        oldKey = try map.require(2)
        newKey = try map.require(3)
        believedUntil = try map.require(4)
        tokens = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, oldKey)
        map.set(3, newKey)
        map.set(4, believedUntil)
        map.set(5, tokens)
        return .map(map)
    }
}
