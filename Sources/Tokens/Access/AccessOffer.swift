import Codec

/// What a token is to allow, for whoever makes one.
public struct AccessOffer: Hashable, Sendable {
    public var acts: AccessAct.Several
    public var scope = AccessScope()
    public var limits = AccessLimits()
    /// How many jobs; 0 for as many as fit into its time.
    public var uses: Int64 = 1
    /// How many further links there may be.
    public var delegations: Int64 = AccessConstants.delegationsMax
    /// Seconds since the Unix epoch.
    public var issuedAt: Int64
    /// Until when jobs may be started with it, in seconds since the Unix epoch.
    public var expires: Int64
    public var root: AccessLink.Root

    public init(acts: AccessAct.Several, issuedAt: Int64, expires: Int64, root: AccessLink.Root) {
        self.acts = acts
        self.issuedAt = issuedAt
        self.expires = expires
        self.root = root
    }
}

extension AccessChain {
    /// A new token of one link.
    ///
    /// - Parameters:
    ///   - holder: whom it is for.
    ///   - identifier: 16 random bytes.
    /// - Throws: `malformed` for an offer that no reader would take.
    public static func issue(
        _ offer: AccessOffer, to holder: PublicKey, mesh: KeyID,
        identifier: [UInt8] = SecureRandom.bytes(AccessConstants.idByteCount), issuer: SigningKey
    ) throws(TokenError) -> AccessChain {
        let link = AccessLink(
            place: .root(offer.root), issuer: issuer.id, identifier: identifier, issuedAt: offer.issuedAt,
            expires: offer.expires, holder: holder, acts: offer.acts, scope: offer.scope, limits: offer.limits,
            uses: offer.uses, delegations: offer.delegations)
        return try AccessChain([link.signed(with: issuer, mesh: mesh)])
    }
}

extension AccessLink {
    /// - Parameter identifier: 16 bytes.
    init(
        place: Place, issuer: KeyID, identifier: [UInt8], issuedAt: Int64, expires: Int64, holder: PublicKey,
        acts: AccessAct.Several?, scope: AccessScope, limits: AccessLimits, uses: Int64?, delegations: Int64?
    ) {
        precondition(identifier.count == AccessConstants.idByteCount, "the id of a link has 16 bytes")
        self.place = place
        self.issuer = issuer
        self.identifier = Base64URL.encode(identifier)
        self.issuedAt = issuedAt
        self.expires = expires
        self.holder = holder
        holderID = holder.id
        self.acts = acts
        self.scope = scope
        self.limits = limits
        self.uses = uses
        self.delegations = delegations
    }
}
