import Codec

/// An invitation that a member is about to hand out.
public struct InvitationMade: Hashable, Sendable, CBORCodable {
    /// The id of its token.
    public var jti: String
    /// How many nodes it may admit.
    public var uses: UInt32
    /// Nanoseconds since the Unix epoch.
    public var expires: Int64

    public init(jti: String, uses: UInt32, expires: Int64) {
        self.jti = jti
        self.uses = uses
        self.expires = expires
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        jti = try map.require(1)
        uses = try map.require(2)
        expires = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, jti)
        map.set(2, uses)
        map.set(3, expires)
        return .map(map)
    }
}
