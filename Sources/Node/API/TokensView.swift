import Codec
import Scheduler

/// What the mesh knows of tokens.
public struct TokensView: Hashable, Sendable {
    /// Ascending by name.
    public var tokens: [TokenRecord]
    public var revocations: [TokenRevocation]
    /// Keys outside the members that may issue tokens.
    public var issuers: [IssuerRecord]
    /// Unix nanoseconds: the time of the mesh.
    public var time: Int64

    public init(tokens: [TokenRecord], revocations: [TokenRevocation], issuers: [IssuerRecord], time: Int64) {
        self.tokens = tokens
        self.revocations = revocations
        self.issuers = issuers
        self.time = time
    }

    /// Who revoked a token, and when.
    public func revocation(of token: TokenRecord) -> TokenRevocation? {
        revocations.first { revocation in
            switch revocation.subject {
            case .token(let name): name == token.name
            case .issuer(let key):
                key == token.issuer && (revocation.issuedBefore.map { token.issuedAt / 1_000_000_000 < $0 } ?? true)
            case .holder: false
            }
        }
    }
}

extension TokensView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        tokens = try map.require(1)
        revocations = try map.require(2)
        issuers = try map.require(3)
        time = try map.require(4)
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
