import Codec

/// A name and its value: a label of a node, a variable of an environment.
public struct Label: Hashable, Comparable, Sendable, CBORCodable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    public static func < (left: Label, right: Label) -> Bool {
        left.name != right.name ? left.name < right.name : left.value < right.value
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        value = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, value)
        return .map(map)
    }
}
