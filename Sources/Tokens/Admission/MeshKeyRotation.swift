import Codec

/// The statement that hosts of a mesh are certified by another key from here on, signed by the old key and by the new one.
/// The mesh is named by the key that founded it, as before.
public struct MeshKeyRotation: Hashable, Sendable {
    /// How many one member shows, and the mesh remembers.
    public static let countMax = 8
    private static let purpose = "swarmlet/mesh-rotation/1"

    /// Ed25519 public keys, 32 bytes each.
    public let oldKey: Bytes
    public let newKey: Bytes
    /// 64 bytes each.
    private let oldSignature: Bytes
    private let newSignature: Bytes

    /// - Parameter mesh: the id of the key that founded the mesh.
    public init(from old: SigningKey, to new: SigningKey, mesh: String) {
        oldKey = Bytes(old.publicKey.bytes)
        newKey = Bytes(new.publicKey.bytes)
        let parts = [Array(mesh.utf8), oldKey.array, newKey.array]
        oldSignature = Bytes(old.sign(purpose: MeshKeyRotation.purpose, parts))
        newSignature = Bytes(new.sign(purpose: MeshKeyRotation.purpose, parts))
    }

    /// Checks both signatures. That the old key was the mesh's is for the replicated state to say, or for whoever knew it.
    ///
    /// - Throws: `signatureInvalid`; `keyInvalid` for bytes that are no key.
    public func verify(mesh: String) throws(TokenError) {
        let parts = [Array(mesh.utf8), oldKey.array, newKey.array]
        guard oldKey != newKey,
            try PublicKey(bytes: oldKey.array).verify(oldSignature.array, purpose: MeshKeyRotation.purpose, parts),
            try PublicKey(bytes: newKey.array).verify(newSignature.array, purpose: MeshKeyRotation.purpose, parts)
        else { throw .signatureInvalid }
    }

    /// The keys to which statements lead from one that is known, that one first.
    ///
    /// - Parameters:
    ///   - rotations: oldest first; those that do not begin where the last one ended are passed over.
    ///   - mesh: the key that founded the mesh.
    /// - Throws: as `verify`.
    public static func keys(
        from known: PublicKey, by rotations: [MeshKeyRotation], mesh: PublicKey
    ) throws(TokenError) -> [PublicKey] {
        var keys = [known]
        for rotation in rotations where rotation.oldKey.array == keys[keys.count - 1].bytes {
            try rotation.verify(mesh: mesh.id.text)
            keys.append(try PublicKey(bytes: rotation.newKey.array))
        }
        return keys
    }
}

extension MeshKeyRotation: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        oldKey = try map.require(1)
        newKey = try map.require(2)
        oldSignature = try map.require(3)
        newSignature = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, oldKey)
        map.set(2, newKey)
        map.set(3, oldSignature)
        map.set(4, newSignature)
        return .map(map)
    }
}
