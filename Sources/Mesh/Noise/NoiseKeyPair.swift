import CSodium

/// An X25519 key pair (RFC 7748): a static key that stands for a node, or an ephemeral key of one handshake.
public struct NoiseKeyPair: Sendable {
    /// 32 bytes, not secret.
    public let publicKey: [UInt8]
    let secretKey: NoiseSecret

    /// The pair that belongs to `secretKey`, 32 bytes. Throws `keyLength`.
    public init(secretKey: NoiseSecret) throws(NoiseError) {
        guard secretKey.count == NoiseConstants.keyBytes else { throw .keyLength(secretKey.count) }
        self.secretKey = secretKey
        publicKey = [UInt8](unsafeUninitializedCapacity: NoiseConstants.keyBytes) { buffer, count in
            secretKey.withBytes { _ = crypto_scalarmult_base(buffer.baseAddress!, $0) }
            count = NoiseConstants.keyBytes
        }
    }

    /// The pair that belongs to these 32 secret bytes. Throws `keyLength`.
    public init(secretBytes: [UInt8]) throws(NoiseError) {
        try self.init(secretKey: NoiseSecret(copying: secretBytes))
    }

    /// Lends the 32 secret bytes, for a shell that stores the key.
    public func withSecretBytes<Result, Failure: Error>(
        _ body: (UnsafePointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try secretKey.withBytes(body)
    }

    /// The secret shared with the owner of `publicKey`. Throws `keyLength`, and `weakKey` when it would be all zero.
    func shared(with publicKey: [UInt8]) throws(NoiseError) -> NoiseSecret {
        guard publicKey.count == NoiseConstants.keyBytes else { throw .keyLength(publicKey.count) }
        return try NoiseSecret(count: NoiseConstants.keyBytes) { output throws(NoiseError) in
            // libsodium answers -1 for points of small order and for an all-zero result.
            guard secretKey.withBytes({ crypto_scalarmult(output, $0, publicKey) }) == 0 else { throw .weakKey }
        }
    }
}
