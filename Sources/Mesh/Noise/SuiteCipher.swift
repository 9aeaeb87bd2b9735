import CSodium

/// A key of a suite's cipher, ready for use: in-place encryption with the Noise nonce.
struct SuiteCipher: Sendable {
    let suite: NoiseSuite
    /// The 32 bytes themselves, or for AES the round keys made of them (libsodium's "precomputation").
    private let material: NoiseSecret

    init(_ suite: NoiseSuite, key: NoiseSecret) {
        precondition(key.count == NoiseConstants.keyBytes)
        self.suite = suite
        switch suite {
        case .chaChaPoly: material = key
        case .aesGCM:
            // A secret lies at a multiple of 16 bytes, as the round keys must.
            material = NoiseSecret(count: crypto_aead_aes256gcm_statebytes()) { state in
                _ = key.withBytes { crypto_aead_aes256gcm_beforenm(Self.roundKeys(state), $0) }
            }
        }
    }

    /// Encrypts in place: the plaintext fills `record` but for its last 16 bytes, which receive the tag.
    func encrypt(_ record: UnsafeMutableRawBufferPointer, nonce: UInt64, associatedData: [UInt8]) {
        let start = record.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let count = record.count - NoiseConstants.tagBytes
        withNonce(nonce) { nonce in
            material.withBytes { key in
                switch suite {
                case .chaChaPoly:
                    _ = crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                        start, start + count, nil, start, UInt64(count), associatedData,
                        UInt64(associatedData.count), nil, nonce, key)
                case .aesGCM:
                    _ = crypto_aead_aes256gcm_encrypt_detached_afternm(
                        start, start + count, nil, start, UInt64(count), associatedData,
                        UInt64(associatedData.count), nil, nonce, Self.roundKeys(key))
                }
            }
        }
    }

    /// Decrypts in place, all but the last 16 bytes of `record`, the tag. False: they do not fit.
    func decrypt(_ record: UnsafeMutableRawBufferPointer, nonce: UInt64, associatedData: [UInt8]) -> Bool {
        let start = record.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let count = record.count - NoiseConstants.tagBytes
        return withNonce(nonce) { nonce in
            material.withBytes { key in
                switch suite {
                case .chaChaPoly:
                    crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                        start, nil, start, UInt64(count), start + count, associatedData,
                        UInt64(associatedData.count), nonce, key) == 0
                case .aesGCM:
                    crypto_aead_aes256gcm_decrypt_detached_afternm(
                        start, nil, start, UInt64(count), start + count, associatedData,
                        UInt64(associatedData.count), nonce, Self.roundKeys(key)) == 0
                }
            }
        }
    }

    private static func roundKeys(_ start: UnsafePointer<UInt8>) -> UnsafePointer<crypto_aead_aes256gcm_state> {
        UnsafeRawPointer(start).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
    }

    private static func roundKeys(_ start: UnsafeMutablePointer<UInt8>)
        -> UnsafeMutablePointer<crypto_aead_aes256gcm_state>
    {
        UnsafeMutableRawPointer(start).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
    }

    /// 32 zero bits and the counter: in little-endian order for ChaCha20 (Noise section 12.3), big-endian for AES (12.4).
    private func withNonce<Result>(_ nonce: UInt64, _ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        let low = UInt32(truncatingIfNeeded: nonce)
        let high = UInt32(nonce >> 32)
        var words: (UInt32, UInt32, UInt32) =
            switch suite {
            case .chaChaPoly: (0, low.littleEndian, high.littleEndian)
            case .aesGCM: (0, high.bigEndian, low.bigEndian)
            }
        return withUnsafeBytes(of: &words) { body($0.baseAddress!.assumingMemoryBound(to: UInt8.self)) }
    }
}
