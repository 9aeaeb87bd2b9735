import Codec

/// A node's word of what the person may do who asked there for an entry of the log, signed by the key of its identity for
/// that entry and one mesh. It is worth nothing for another request, command or person.
public struct RoleStatement: Hashable, Sendable {
    static let purpose = "swarmlet/role/1"

    public let role: PersonRole
    /// 64 bytes.
    let signature: Bytes

    /// - Parameters:
    ///   - entry: hash of what is asked, and of who asks.
    ///   - mesh: the id of the mesh's public key.
    ///   - key: of the node's identity.
    public init(_ role: PersonRole, about entry: Digest, mesh: String, key: SigningKey) {
        self.role = role
        signature = Bytes(key.sign(purpose: RoleStatement.purpose, RoleStatement.parts(role, entry, mesh)))
    }

    /// Whether this key says so, of that entry and for that mesh.
    public func isSigned(by key: PublicKey, about entry: Digest, mesh: String) -> Bool {
        key.verify(signature.array, purpose: RoleStatement.purpose, RoleStatement.parts(role, entry, mesh))
    }

    private static func parts(_ role: PersonRole, _ entry: Digest, _ mesh: String) -> [[UInt8]] {
        [Array(mesh.utf8), [UInt8(role.rawValue)], entry.bytes]
    }
}

extension RoleStatement: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        role = try map.require(1)
        signature = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, role)
        map.set(2, signature)
        return .map(map)
    }
}
