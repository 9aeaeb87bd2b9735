import Codec

/// Round trips to another member are to be measured.
public struct PingRequest: Hashable, Sendable {
    /// A name or short id.
    public var node: String
    public var count: UInt32
    /// Between one and the next.
    public var pauseMilliseconds: UInt64

    public init(node: String, count: UInt32, pauseMilliseconds: UInt64) {
        self.node = node
        self.count = count
        self.pauseMilliseconds = pauseMilliseconds
    }
}

extension PingRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        count = try map.require(2)
        pauseMilliseconds = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, count)
        map.set(3, pauseMilliseconds)
        return .map(map)
    }
}
