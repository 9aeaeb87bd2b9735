import Codec
import Scheduler

/// What the mesh knows of tokens.
public struct TokensView: Hashable, Sendable {
    /// Ascending by name.
    public var tokens: [TokenRecord]
    public let revocations: [TokenRevocation]
    /// Keys outside the members that may issue tokens.
    public var issuers: [IssuerRecord]
    /// Unix nanoseconds: the time of the mesh.
    public var time: Int64
    /// There may be as many revocations as tokens.
    private let revoked: [TokenRevocation.Subject: TokenRevocation]

    public init(tokens: [TokenRecord], revocations: [TokenRevocation], issuers: [IssuerRecord], time: Int64) {
        self.tokens = tokens
        self.revocations = revocations
        self.issuers = issuers
        self.time = time
        revoked = Dictionary(revocations.map { ($0.subject, $0) }) { first, _ in first }
    }

    /// Who revoked a token, or its issuer, and when.
    public func revocation(of token: TokenRecord) -> TokenRevocation? {
        if let revocation = revoked[.token(token.name)] { return revocation }
        guard let ofIssuer = revoked[.issuer(token.issuer)] else { return nil }
        let isMeant = ofIssuer.issuedBefore.map { token.issuedAt / 1_000_000_000 < $0 } ?? true
        return isMeant ? ofIssuer : nil
    }
}

extension TokensView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        self.init(
            tokens: try map.require(1), revocations: try map.require(2), issuers: try map.require(3),
            time: try map.require(4))
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, tokens)
        map.set(2, revocations)
        map.set(3, issuers)
        map.set(4, time)
        return .map(map)
    }
}
