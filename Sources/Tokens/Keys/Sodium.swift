import CSodium

/// The start of libsodium, which must have worked before any key is used.
public enum Sodium {
    /// Initialises the library and asks it questions with known answers.
    ///
    /// May be called more than once and from any thread. A daemon calls it before it opens its keys.
    public static func start() throws(TokenError) {
        guard isInitialised else { throw .libraryFailed }
        try selfTest()
    }

    /// Done once, whoever comes first.
    static let isInitialised = sodium_init() >= 0

    private static func selfTest() throws(TokenError) {
        // RFC 8032 section 7.1, test 1: the empty message.
        let key = SigningKey(seed: SodiumTestData.seed)
        guard key.publicKey.bytes == SodiumTestData.publicKey, key.sign([]) == SodiumTestData.signature else {
            throw .libraryUnsafe("it signs wrongly")
        }
        guard key.publicKey.verify(SodiumTestData.signature, of: []),
            !key.publicKey.verify(SodiumTestData.signature, of: [0])
        else { throw .libraryUnsafe("it verifies wrongly") }
        // CVE-2025-69277: libsodium before 2025-12-30 takes a point of the prime-order group plus the point of order 2 for
        // valid, and so one node could have two identities.
        guard crypto_core_ed25519_is_valid_point(SodiumTestData.basePoint) == 1,
            crypto_core_ed25519_is_valid_point(SodiumTestData.mixedOrderPoint) == 0
        else { throw .libraryUnsafe("it accepts keys outside the prime-order group (CVE-2025-69277)") }
    }
}

/// Questions with known answers.
private enum SodiumTestData {
    static let seed: [UInt8] = [
        0x9D, 0x61, 0xB1, 0x9D, 0xEF, 0xFD, 0x5A, 0x60, 0xBA, 0x84, 0x4A, 0xF4, 0x92, 0xEC, 0x2C, 0xC4, 0x44, 0x49,
        0xC5,
        0x69, 0x7B, 0x32, 0x69, 0x19, 0x70, 0x3B, 0xAC, 0x03, 0x1C, 0xAE, 0x7F, 0x60,
    ]
    static let publicKey: [UInt8] = [
        0xD7, 0x5A, 0x98, 0x01, 0x82, 0xB1, 0x0A, 0xB7, 0xD5, 0x4B, 0xFE, 0xD3, 0xC9, 0x64, 0x07, 0x3A, 0x0E, 0xE1,
        0x72,
        0xF3, 0xDA, 0xA6, 0x23, 0x25, 0xAF, 0x02, 0x1A, 0x68, 0xF7, 0x07, 0x51, 0x1A,
    ]
    static let signature: [UInt8] = [
        0xE5, 0x56, 0x43, 0x00, 0xC3, 0x60, 0xAC, 0x72, 0x90, 0x86, 0xE2, 0xCC, 0x80, 0x6E, 0x82, 0x8A, 0x84, 0x87,
        0x7F,
        0x1E, 0xB8, 0xE5, 0xD9, 0x74, 0xD8, 0x73, 0xE0, 0x65, 0x22, 0x49, 0x01, 0x55, 0x5F, 0xB8, 0x82, 0x15, 0x90,
        0xA3,
        0x3B, 0xAC, 0xC6, 0x1E, 0x39, 0x70, 0x1C, 0xF9, 0xB4, 0x6B, 0xD2, 0x5B, 0xF5, 0xF0, 0x59, 0x5B, 0xBE, 0x24,
        0x65,
        0x51, 0x41, 0x43, 0x8E, 0x7A, 0x10, 0x0B,
    ]
    /// y = 4/5, x even.
    static let basePoint: [UInt8] = [0x58] + [UInt8](repeating: 0x66, count: 31)
    /// (-x, -y) of the base point: the base point plus (0, -1), the point of order 2.
    static let mixedOrderPoint: [UInt8] = [0x95] + [UInt8](repeating: 0x99, count: 31)
}
