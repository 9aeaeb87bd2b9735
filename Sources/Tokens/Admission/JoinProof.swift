import Codec

/// A joining node's proof that it holds its key, here and now: its signature over this connection, the token that it uses
/// and the facts that it states. It is worth nothing on another connection.
public struct JoinProof: Hashable, Sendable {
    static let purpose = "swarmlet/join-proof/1"

    /// 64 bytes.
    public let signature: [UInt8]

    /// - Parameters:
    ///   - handshakeHash: of the Noise handshake that carries the request.
    ///   - tokenID: id of the join token; empty for a node that asks without one.
    ///   - facts: hash of the encoded facts that the node states about itself.
    public init(handshakeHash: [UInt8], tokenID: String, facts: Digest, key: SigningKey) {
        signature = key.sign(purpose: JoinProof.purpose, [handshakeHash, Array(tokenID.utf8), facts.bytes])
    }

    /// - Throws: `TokenError.proofInvalid`.
    public func verify(
        handshakeHash: [UInt8], tokenID: String, facts: Digest, key: PublicKey
    ) throws(TokenError) {
        let parts = [handshakeHash, Array(tokenID.utf8), facts.bytes]
        guard key.verify(signature, purpose: JoinProof.purpose, parts) else { throw .proofInvalid }
    }
}

extension JoinProof: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { signature = try cbor.requireBytes() }
    public var cbor: CBOR { .bytes(signature) }
}
