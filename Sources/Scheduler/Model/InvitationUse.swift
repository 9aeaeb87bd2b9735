import Codec

/// The one-off token a joiner showed, already verified by the member that proposes its admission.
public struct InvitationUse: Hashable, Sendable, CBORCodable {
    /// The id of the token.
    public var jti: String
    /// How many nodes it may admit.
    public var uses: UInt32
    /// Nanoseconds since the Unix epoch.
    public var expires: Int64
    /// Who made it, for people.
    public var issuer: String
    /// The epoch of tokens in which it was made.
    public var epoch: UInt64
    /// Where the joiner came from, as the member that was asked saw it.
    public var from: String?

    public init(
        jti: String, uses: UInt32, expires: Int64, issuer: String = "", epoch: UInt64 = 0, from: String? = nil
    ) {
        self.from = from
        self.epoch = epoch
        self.jti = jti
        self.uses = uses
        self.expires = expires
        self.issuer = issuer
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        jti = try map.require(1)
        uses = try map.require(2)
        expires = try map.require(3)
        issuer = try map.optional(4) ?? ""
        epoch = try map.optional(5) ?? 0
        from = try map.optional(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, jti)
        map.set(2, uses)
        map.set(3, expires)
        map.set(4, issuer)
        // As it was written before there were such invitations.
        map.set(5, epoch > 0 ? epoch : nil)
        map.set(6, from)
        return .map(map)
    }
}
