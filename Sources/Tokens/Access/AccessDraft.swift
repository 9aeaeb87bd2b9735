import Codec

/// What somebody wants a token to allow, before an issuer has signed it: the claims of a root in which the issuer, the
/// times and the id are still to come.
public struct AccessDraft: Hashable, Sendable {
    /// Whom the token is for.
    public var holder: PublicKey
    public var acts: AccessAct.Several
    public var scope = AccessScope()
    public var limits = AccessLimits()
    public var uses: Int64 = 1
    public var delegations: Int64 = AccessConstants.delegationsMax
    /// How long from now on jobs may be started with it, in seconds.
    public var lifetime: Int64

    public init(holder: PublicKey, acts: AccessAct.Several, lifetime: Int64) {
        self.holder = holder
        self.acts = acts
        self.lifetime = lifetime
    }

    /// The offer of an issuer.
    ///
    /// - Parameter now: seconds since the Unix epoch.
    public func offer(mesh: KeyID, now: Int64, epoch: Int64, madeBy: String) -> AccessOffer {
        let (expires, overflow) = now.addingReportingOverflow(lifetime)
        var offer = AccessOffer(
            acts: acts, issuedAt: now, expires: overflow ? .max : expires,
            root: AccessLink.Root(audiences: [mesh], notBefore: now, epoch: epoch, madeBy: madeBy))
        offer.scope = scope
        offer.limits = limits
        offer.uses = uses
        offer.delegations = delegations
        return offer
    }
}

extension AccessDraft: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        holder = try map.require(1)
        let words: [String] = try map.require(2)
        acts = AccessAct.Several(words.compactMap { AccessAct(rawValue: $0) })
        for kind in AccessScope.Kind.allCases { scope[kind] = try map.optional(kind.number) }
        for (number, limit) in AccessLimit.allCases.enumerated() {
            guard let value: Int64 = try map.optional(20 + number) else { continue }
            guard value >= 0 else { throw .invalid("a limit below zero") }
            limits[limit] = value
        }
        uses = try map.require(3)
        delegations = try map.require(4)
        lifetime = try map.require(5)
        guard acts.all.count == words.count, lifetime > 0, map.without(0...19 + AccessLimit.allCases.count).isEmpty
        else {
            throw .invalid("something unknown is asked of a token")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, holder)
        map.set(2, acts.all.map(\.rawValue))
        map.set(3, uses)
        map.set(4, delegations)
        map.set(5, lifetime)
        for kind in AccessScope.Kind.allCases { map.set(kind.number, scope[kind]) }
        for (number, limit) in AccessLimit.allCases.enumerated() { map.set(20 + number, limits[limit]) }
        return .map(map)
    }
}

extension AccessScope.Kind {
    fileprivate var number: Int {
        switch self {
        case .job: 10
        case .path: 11
        case .node: 12
        case .label: 13
        }
    }
}
