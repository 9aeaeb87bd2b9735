import Codec

/// What became of an invitation.
public struct InvitationRecord: Hashable, Sendable, CBORCodable {
    public var jti: String
    /// How many nodes it may admit.
    public var uses: UInt32
    /// Nanoseconds since the Unix epoch.
    public var expires: Int64
    public var issuer: String
    /// In the order they came.
    public var admitted: [InvitationAdmission]

    public init(jti: String, uses: UInt32, expires: Int64, issuer: String, admitted: [InvitationAdmission]) {
        self.jti = jti
        self.uses = uses
        self.expires = expires
        self.issuer = issuer
        self.admitted = admitted
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        jti = try map.require(1)
        uses = try map.require(2)
        expires = try map.require(3)
        issuer = try map.require(4)
        admitted = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, jti)
        map.set(2, uses)
        map.set(3, expires)
        map.set(4, issuer)
        map.set(5, admitted)
        return .map(map)
    }
}
