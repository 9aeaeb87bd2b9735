/// The numbers of the Noise protocol framework, revision 34, for the suites of `NoiseSuite`.
public enum NoiseConstants {
    /// Bytes of an X25519 secret or public key: DHLEN (Noise section 12.1).
    public static let keyBytes = 32
    /// Bytes of a BLAKE2b hash and of a chaining key: HASHLEN (Noise section 12.8).
    public static let hashBytes = 64
    /// Bytes of BLAKE2b's input block, which HMAC pads its key to: BLOCKLEN (Noise section 12.8).
    public static let blockBytes = 128
    /// Bytes of the authentication tag after each ciphertext (Noise section 12.3, RFC 8439).
    public static let tagBytes = 16
    /// No Noise message is longer (Noise section 3).
    public static let messageBytesMax = 65_535
    /// What one record of `messageBytesMax` carries.
    public static let recordPayloadBytesMax = messageBytesMax - tagBytes
    /// Kept for `rekey` and never used for a message (Noise section 5.1).
    public static let nonceReserved = UInt64.max
}
