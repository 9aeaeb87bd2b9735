import Codec

/// A node that waits for `approve`.
public struct WaitingView: Hashable, Sendable {
    public var name: String
    public var shortID: String
    public var address: String
    public var since: Int64

    public init(name: String, shortID: String, address: String, since: Int64) {
        self.name = name
        self.shortID = shortID
        self.address = address
        self.since = since
    }
}

extension WaitingView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        shortID = try map.require(2)
        address = try map.require(3)
        since = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, shortID)
        map.set(3, address)
        map.set(4, since)
        return .map(map)
    }
}
