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
    /// Tokens of an earlier one are revoked, all of them.
    public var epoch: UInt64
    /// There may be as many revocations as tokens.
    private let revoked: [TokenRevocation.Subject: TokenRevocation]

    public init(
        tokens: [TokenRecord], revocations: [TokenRevocation], issuers: [IssuerRecord], time: Int64, epoch: UInt64 = 0
    ) {
        self.epoch = epoch
        self.tokens = tokens
        self.revocations = revocations
        self.issuers = issuers
        self.time = time
        revoked = Dictionary(revocations.map { ($0.subject, $0) }) { first, _ in first }
    }

    /// Who revoked a token by its name, its holder or its issuer, and when; nil also where all of its epoch are revoked.
    public func revocation(of token: TokenRecord) -> TokenRevocation? {
        // Of one that was issued below level 8 it is known when the mesh heard of it, and not for whom it is.
        let signedAt = token.signed?.at ?? token.issuedAt / 1_000_000_000
        let subjects: [TokenRevocation.Subject?] = [
            .token(token.name), token.signed.map { .holder($0.holder) }, .issuer(token.issuer),
        ]
        for case let subject? in subjects {
            if let found = revoked[subject], found.issuedBefore.map({ signedAt < $0 }) ?? true { return found }
        }
        return nil
    }

    /// Whether a token is believed no more: it was revoked, or all of its epoch were.
    public func isRevoked(_ token: TokenRecord) -> Bool {
        revocation(of: token) != nil || token.signed.map { $0.epoch < epoch } ?? false
    }
}

extension TokensView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        self.init(
            tokens: try map.require(1), revocations: try map.require(2), issuers: try map.require(3),
            time: try map.require(4), epoch: try map.optional(5) ?? 0)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, tokens)
        map.set(2, revocations)
        map.set(3, issuers)
        map.set(4, time)
        map.set(5, epoch)
        return .map(map)
    }
}
