import CSodium

// Shell: the one place where Noise keys come from the system's random source.
extension NoiseKeyPair {
    /// A new pair from the system's random source.
    public static func generate() -> NoiseKeyPair {
        precondition(sodium_init() >= 0, "libsodium finds no random source")
        let secret = NoiseSecret(count: NoiseConstants.keyBytes) { randombytes_buf($0, NoiseConstants.keyBytes) }
        do {
            return try NoiseKeyPair(secretKey: secret)
        } catch {
            preconditionFailure("a secret of 32 bytes is always a key")
        }
    }
}
