import CSodium

/// What Argon2id makes of a passphrase and a salt: it opens all keys that were locked with that salt, and locks others.
///
/// A nonce of 24 random bytes keeps lines of one salt apart, so that a host derives once for all its keys.
final class PassphraseKey: @unchecked Sendable {
    /// What a line says openly of how its key is derived.
    struct Terms: Hashable, Sendable {
        var salt: [UInt8]
        /// Bytes.
        var memory: UInt64
        var passes: UInt32

        static let saltByteCount = 16
        /// What a guess costs: half a second here, and not less on a card with thousands of cores.
        static let standard = (memory: UInt64(64 << 20), passes: UInt32(3))
        /// What a stranger's line may ask for.
        private static let most = (memory: UInt64(1 << 30), passes: UInt32(16))

        /// With a salt of its own.
        init(memory: UInt64 = standard.memory, passes: UInt32 = standard.passes) {
            self.init(salt: SecureRandom.bytes(Terms.saltByteCount), memory: memory, passes: passes)
        }

        init(salt: [UInt8], memory: UInt64, passes: UInt32) {
            (self.salt, self.memory, self.passes) = (salt, memory, passes)
        }

        var isBearable: Bool { memory <= Terms.most.memory && passes <= Terms.most.passes }
    }

    static let secretByteCount = 32
    let terms: Terms
    private let secret: UnsafeMutablePointer<UInt8>

    /// nil where the host has not the memory, or the terms are below Argon2's own.
    init?(_ passphrase: Passphrase, _ terms: Terms) {
        self.terms = terms
        secret = PassphraseKey.allocate()
        let done = passphrase.withBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                crypto_pwhash(
                    secret, UInt64(PassphraseKey.secretByteCount), characters.baseAddress!, UInt64(characters.count),
                    terms.salt, UInt64(terms.passes), Int(terms.memory), crypto_pwhash_alg_argon2id13())
            }
        }
        guard done == 0 else { return nil }
        sodium_mprotect_readonly(secret)
    }

    /// One that was derived before. The caller wipes its own copy of the secret.
    init(_ terms: Terms, secret bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == PassphraseKey.secretByteCount, "a derived key has 32 bytes")
        self.terms = terms
        secret = PassphraseKey.allocate()
        for (index, byte) in bytes.enumerated() { secret[index] = byte }
        sodium_mprotect_readonly(secret)
    }

    deinit { sodium_free(secret) }

    private static func allocate() -> UnsafeMutablePointer<UInt8> {
        precondition(Sodium.isInitialised, "libsodium could not be started")
        guard let memory = sodium_malloc(secretByteCount) else { preconditionFailure("no memory for a key") }
        return memory.assumingMemoryBound(to: UInt8.self)
    }

    /// Lends what opens the lines; it must not outlive `body`.
    func withSecret<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: secret, count: PassphraseKey.secretByteCount))
    }

    /// Hides what is open, and the other way round.
    func turn(_ content: inout [UInt8], nonce: [UInt8]) {
        var key = hash(0xFF)
        defer { sodium_memzero(&key, key.count) }
        content.withUnsafeMutableBufferPointer { bytes in
            // In place, so that no copy of the plain bytes is left.
            _ = crypto_stream_xchacha20_xor(bytes.baseAddress!, bytes.baseAddress!, UInt64(bytes.count), nonce, key)
        }
    }

    /// Shows that the bytes were made with this passphrase.
    func tag(over bytes: [UInt8]) -> [UInt8] {
        var key = hash(0xFE)
        defer { sodium_memzero(&key, key.count) }
        var tag = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&tag, tag.count, bytes, UInt64(bytes.count), key, key.count)
        return tag
    }

    private func hash(_ domain: UInt8) -> [UInt8] {
        var input = [UInt8](repeating: domain, count: 1 + PassphraseKey.secretByteCount)
        defer { sodium_memzero(&input, input.count) }
        withSecret { for (index, byte) in $0.enumerated() { input[1 + index] = byte } }
        var hash = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&hash, hash.count, input, UInt64(input.count), nil, 0)
        return hash
    }
}
