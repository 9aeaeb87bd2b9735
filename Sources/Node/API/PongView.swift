import Codec

/// One round trip.
public struct PongView: Hashable, Sendable {
    public var node: String
    public var shortID: String
    /// Where the session leads; nil: there is none.
    public var address: String?
    /// What was measured: `direct, TCP session`.
    public var path: String
    /// nil: nothing came back in time.
    public var microseconds: UInt64?

    public init(node: String, shortID: String, address: String? = nil, path: String, microseconds: UInt64? = nil) {
        self.node = node
        self.shortID = shortID
        self.address = address
        self.path = path
        self.microseconds = microseconds
    }
}

extension PongView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        shortID = try map.require(2)
        address = try map.optional(3)
        path = try map.require(4)
        microseconds = try map.optional(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, shortID)
        map.set(3, address)
        map.set(4, path)
        map.set(5, microseconds)
        return .map(map)
    }
}
