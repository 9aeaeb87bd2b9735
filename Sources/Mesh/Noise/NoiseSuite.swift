import CSodium

/// The cipher of a handshake and of the session after it (Noise section 12). Key agreement and hash are the same in both.
public enum NoiseSuite: UInt8, CaseIterable, Sendable {
    /// ChaCha20-Poly1305: fast everywhere.
    case chaChaPoly = 0
    /// AES-256-GCM: faster where the processor has instructions for it, and not to be had elsewhere.
    case aesGCM = 1

    /// The suite's part of a protocol name (Noise section 8).
    public var name: String {
        switch self {
        case .chaChaPoly: "25519_ChaChaPoly_BLAKE2b"
        case .aesGCM: "25519_AESGCM_BLAKE2b"
        }
    }

    /// Whether this host can use it.
    public var isAvailable: Bool {
        switch self {
        case .chaChaPoly: true
        // Needs AES, PCLMUL and SSSE3 of the processor, and `sodium_init` before.
        case .aesGCM: crypto_aead_aes256gcm_is_available() != 0
        }
    }
}
