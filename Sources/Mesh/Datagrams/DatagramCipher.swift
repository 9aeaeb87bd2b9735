import CSodium

/// ChaCha20-Poly1305 (RFC 8439) where the caller says which nonce: the counter that the packet carries in clear.
///
/// Whoever seals must never give the same counter twice under one key.
struct DatagramCipher: Sendable {
    private let key: NoiseSecret

    /// A cipher with a key of 32 bytes.
    init(key: NoiseSecret) {
        precondition(key.count == NoiseConstants.keyBytes)
        self.key = key
    }

    /// Appends the ciphertext of `plaintext` and its tag to `packet`, all of which so far is authenticated with it.
    func seal(_ plaintext: [UInt8], counter: UInt64, into packet: inout [UInt8]) {
        let header = packet
        packet += plaintext
        packet.append(contentsOf: repeatElement(0, count: DatagramConstants.tagBytes))
        packet.withUnsafeMutableBufferPointer { buffer in
            let start = buffer.baseAddress! + header.count
            Self.withNonce(counter) { nonce in
                key.withBytes { key in
                    _ = crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                        start, start + plaintext.count, nil, start, UInt64(plaintext.count), header,
                        UInt64(header.count), nil, nonce, key)
                }
            }
        }
    }

    /// The plaintext of a packet whose first `headerCount` bytes are in clear; nil when it does not fit the key.
    func open(_ packet: [UInt8], headerCount: Int, counter: UInt64) -> [UInt8]? {
        let count = packet.count - headerCount - DatagramConstants.tagBytes
        guard count > 0 else { return nil }
        var fits = false
        let plaintext = [UInt8](unsafeUninitializedCapacity: count) { output, written in
            packet.withUnsafeBufferPointer { buffer in
                let start = buffer.baseAddress! + headerCount
                fits = Self.withNonce(counter) { nonce in
                    key.withBytes { key in
                        crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                            output.baseAddress!, nil, start, UInt64(count), start + count, buffer.baseAddress!,
                            UInt64(headerCount), nonce, key) == 0
                    }
                }
            }
            written = fits ? count : 0
        }
        return fits ? plaintext : nil
    }

    /// 32 zero bits and the counter, as Noise section 12.3 has them.
    private static func withNonce<Value>(_ counter: UInt64, _ body: (UnsafePointer<UInt8>) -> Value) -> Value {
        var words = (UInt32(0), UInt32(truncatingIfNeeded: counter).littleEndian, UInt32(counter >> 32).littleEndian)
        return withUnsafeBytes(of: &words) { body($0.baseAddress!.assumingMemoryBound(to: UInt8.self)) }
    }

    /// The key, for tests that look for one used twice.
    func isSameKey(as other: DatagramCipher) -> Bool {
        key.withBytes { left in
            other.key.withBytes { right in sodium_memcmp(left, right, NoiseConstants.keyBytes) == 0 }
        }
    }
}
