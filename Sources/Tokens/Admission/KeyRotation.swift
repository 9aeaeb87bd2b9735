import Codec

/// A node's statement that its identity is another key from here on, signed by the old key and by the new one, for one
/// mesh. The number of the node stays.
public struct KeyRotation: Hashable, Sendable {
    static let purpose = "swarmlet/rotation/1"

    /// Its number in the mesh.
    public let node: NodeID
    /// Ed25519 public keys, 32 bytes each.
    public let oldKey: Bytes
    public let newKey: Bytes
    /// The new static X25519 key for sessions, 32 bytes.
    public let noiseKey: Bytes
    /// 64 bytes each.
    let oldSignature: Bytes
    let newSignature: Bytes

    /// - Parameters:
    ///   - noiseKey: exactly 32 bytes.
    ///   - mesh: the id of the mesh's public key.
    public init(
        of node: NodeID, from old: SigningKey, to new: SigningKey, noiseKey: [UInt8], mesh: String
    ) {
        precondition(noiseKey.count == 32, "an X25519 key has 32 bytes")
        self.node = node
        oldKey = Bytes(old.publicKey.bytes)
        newKey = Bytes(new.publicKey.bytes)
        self.noiseKey = Bytes(noiseKey)
        let parts = KeyRotation.parts(node, oldKey, newKey, self.noiseKey, mesh)
        oldSignature = Bytes(old.sign(purpose: KeyRotation.purpose, parts))
        newSignature = Bytes(new.sign(purpose: KeyRotation.purpose, parts))
    }

    /// Checks both signatures. That the old key was the node's is for the replicated state to say.
    ///
    /// - Throws: `signatureInvalid`; `keyInvalid` for bytes that are no key.
    public func verify(mesh: String) throws(TokenError) {
        let parts = KeyRotation.parts(node, oldKey, newKey, noiseKey, mesh)
        guard oldKey != newKey, noiseKey.array.count == 32,
            try PublicKey(bytes: oldKey.array).verify(oldSignature.array, purpose: KeyRotation.purpose, parts),
            try PublicKey(bytes: newKey.array).verify(newSignature.array, purpose: KeyRotation.purpose, parts)
        else { throw .signatureInvalid }
    }

    private static func parts(
        _ node: NodeID, _ old: Bytes, _ new: Bytes, _ noiseKey: Bytes, _ mesh: String
    ) -> [[UInt8]] {
        let number = (0..<8).map { UInt8(truncatingIfNeeded: node.rawValue >> (8 * $0)) }
        return [Array(mesh.utf8), number, old.array, new.array, noiseKey.array]
    }
}

extension KeyRotation: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        oldKey = try map.require(2)
        newKey = try map.require(3)
        noiseKey = try map.require(4)
        oldSignature = try map.require(5)
        newSignature = try map.require(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, oldKey)
        map.set(3, newKey)
        map.set(4, noiseKey)
        map.set(5, oldSignature)
        map.set(6, newSignature)
        return .map(map)
    }
}
