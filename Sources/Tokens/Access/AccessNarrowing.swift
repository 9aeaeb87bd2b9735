/// What a holder leaves of a token for somebody else. Nothing named is as it was.
public struct AccessNarrowing: Hashable, Sendable {
    public var acts: AccessAct.Several?
    public var scope = AccessScope()
    public var limits = AccessLimits()
    public var uses: Int64?
    public var delegations: Int64?
    /// Seconds since the Unix epoch.
    public var issuedAt: Int64
    /// Seconds since the Unix epoch.
    public var expires: Int64?

    public init(issuedAt: Int64) { self.issuedAt = issuedAt }
}

extension AccessToken {
    /// Less of this token for somebody else, made without a network.
    ///
    /// - Parameters:
    ///   - holder: whom it is for; nil for whoever gets the new line, which then holds a new key.
    ///   - identifier: 16 random bytes.
    /// - Throws: `accessWider` for more than this token allows, `accessKeyElsewhere` where it has no key to sign with.
    public func narrowed(
        _ narrowing: AccessNarrowing, to holder: PublicKey? = nil,
        identifier: [UInt8] = SecureRandom.bytes(AccessConstants.idByteCount)
    ) throws(TokenError) -> AccessToken {
        guard let holderKey else { throw .accessKeyElsewhere }
        let newKey = holder == nil ? SigningKey.generate() : nil
        let above = try Paseto.Unverified(chain.links[chain.links.count - 1])
        let link = AccessLink(
            place: .below(AccessChain.hash(of: above.payload)), issuer: holderKey.id, identifier: identifier,
            issuedAt: narrowing.issuedAt, expires: narrowing.expires ?? grant.expires,
            holder: holder ?? newKey?.publicKey ?? holderKey.publicKey, acts: narrowing.acts, scope: narrowing.scope,
            limits: narrowing.limits, uses: narrowing.uses, delegations: narrowing.delegations)
        // Refused here with its reason rather than by the mesh without one.
        var narrower = grant
        try narrower.narrow(link)
        return try AccessToken(
            chain: AccessChain(chain.links + [link.signed(with: holderKey, mesh: meshKey.id)]), issuerKey: issuerKey,
            holderKey: newKey, meshKey: meshKey, root: root, meshName: meshName, addresses: addresses, members: members)
    }
}
