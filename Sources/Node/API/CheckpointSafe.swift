import Codec

/// A checkpoint counts, or has reached one more node.
public struct CheckpointSafe: Hashable, Sendable {
    public var number: UInt64
    public var bytes: UInt64
    /// Nodes other than the one that made it.
    public var holders: [String]

    public init(number: UInt64, bytes: UInt64, holders: [String]) {
        self.number = number
        self.bytes = bytes
        self.holders = holders
    }
}

extension CheckpointSafe: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        number = try map.require(1)
        bytes = try map.require(2)
        holders = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, number)
        map.set(2, bytes)
        map.set(3, holders)
        return .map(map)
    }
}
