import Codec

/// One node that an invitation admitted.
public struct InvitationAdmission: Hashable, Sendable, CBORCodable {
    public var node: NodeID
    /// As it was then.
    public var name: String
    /// Nanoseconds since the Unix epoch.
    public var at: Int64

    public init(node: NodeID, name: String, at: Int64) {
        self.node = node
        self.name = name
        self.at = at
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        name = try map.require(2)
        at = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, name)
        map.set(3, at)
        return .map(map)
    }
}
