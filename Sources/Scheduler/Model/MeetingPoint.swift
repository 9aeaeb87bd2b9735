import Codec

/// Where the ranks of a gang meet: an address of the node of its rank 0, and a port that was free there.
public struct MeetingPoint: Hashable, Sendable, CBORCodable {
    public var address: String
    public var port: UInt16

    /// Bytes of an address at most.
    static let addressBytesMax = 255

    public init(address: String, port: UInt16) {
        self.address = address
        self.port = port
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        address = try map.require(1)
        port = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, address)
        map.set(2, port)
        return .map(map)
    }
}
