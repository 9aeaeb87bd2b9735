import Codec
import Scheduler
import Tokens

/// What is asked about tokens for people outside the mesh.
public enum TokenRequest: Hashable, Sendable {
    /// A new token, with these addresses before those of the mesh. Answered with its line, without its holder's key.
    case issue(AccessDraft, addresses: [String])
    case list
    case revoke(TokenRevocation)
    case addIssuer(IssuerRecord)
    /// Nothing that was issued until now is believed any more.
    case revokeAll
    /// What happens to the token of this name, or nil: to all that the caller may see. Ends with the connection.
    case watch(String?)
}

extension TokenRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1:
            let map = try content.requireMap()
            self = .issue(try map.require(1), addresses: try map.require(2))
        case 2: self = .list
        case 3: self = .revoke(try TokenRevocation(cbor: content))
        case 4: self = .addIssuer(try IssuerRecord(cbor: content))
        case 5: self = .revokeAll
        case 62: self = .watch(try content.requireMap().optional(1))
        default: throw .invalid("request \(number) about tokens is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .issue(let draft, let addresses):
            var map = CBORMap()
            map.set(1, draft)
            map.set(2, addresses)
            return numbered(1, .map(map))
        case .list: return numbered(2)
        case .revoke(let revocation): return numbered(3, revocation.cbor)
        case .addIssuer(let issuer): return numbered(4, issuer.cbor)
        case .revokeAll: return numbered(5)
        case .watch(let name):
            var map = CBORMap()
            map.set(1, name)
            return numbered(62, .map(map))
        }
    }
}
