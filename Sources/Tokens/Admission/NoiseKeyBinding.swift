import Codec

/// An identity's statement that a static X25519 key of the Noise protocol is its own.
public struct NoiseKeyBinding: Hashable, Sendable {
    static let purpose = "swarmlet/noise/1"

    /// The static X25519 public key, 32 bytes.
    public let noiseKey: [UInt8]
    /// 64 bytes.
    public let signature: [UInt8]

    /// - Parameter noiseKey: exactly 32 bytes.
    public init(noiseKey: [UInt8], identity: SigningKey) {
        precondition(noiseKey.count == 32, "an X25519 key has 32 bytes")
        self.noiseKey = noiseKey
        signature = identity.sign(purpose: NoiseKeyBinding.purpose, [noiseKey])
    }

    /// - Throws: `TokenError.signatureInvalid`.
    public func verify(identity: PublicKey) throws(TokenError) {
        guard identity.verify(signature, purpose: NoiseKeyBinding.purpose, [noiseKey]) else { throw .signatureInvalid }
    }
}

extension NoiseKeyBinding: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        noiseKey = try map.requireBytes(1)
        signature = try map.requireBytes(2)
        guard noiseKey.count == 32 else { throw .invalid("an X25519 key of another length than 32 bytes") }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.setBytes(1, noiseKey)
        map.setBytes(2, signature)
        return .map(map)
    }
}
