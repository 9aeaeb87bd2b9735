import CSodium
import Codec

/// A signing key under a passphrase: PASERK `k4.secret-pw`, one line that may lie where others can read it.
///
/// Argon2id makes the key of the line from the passphrase, XChaCha20 hides the signing key, BLAKE2b keyed by the same
/// shows a wrong passphrase (PASERK, operation PBKW, version 4).
public struct LockedKey: Sendable {
    private static let header = "k4.secret-pw."
    private static let (nonceBytes, keyBytes, tagBytes) = (24, 64, 32)
    private static let byteCount = PassphraseKey.Terms.saltByteCount + 16 + nonceBytes + keyBytes + tagBytes
    /// Characters of a line, without a line feed.
    static let lineByteCount = header.utf8.count + (byteCount * 4 + 2) / 3

    /// How its passphrase is used.
    let terms: PassphraseKey.Terms
    /// All of it but the tag.
    private let body: [UInt8]
    private let tag: [UInt8]

    /// The line, without a line feed.
    public static func lock(_ key: SigningKey, passphrase: Passphrase) -> String {
        lock(key, passphrase: passphrase, .init())
    }

    static func lock(_ key: SigningKey, passphrase: Passphrase, _ terms: PassphraseKey.Terms) -> String {
        guard let made = PassphraseKey(passphrase, terms) else { preconditionFailure("no memory for Argon2id") }
        return lock(key, with: made)
    }

    /// The line, without a line feed.
    static func lock(_ key: SigningKey, with passphraseKey: PassphraseKey) -> String {
        let nonce = SecureRandom.bytes(nonceBytes)
        var content = [UInt8](repeating: 0, count: keyBytes)
        key.withSeed { for (index, byte) in $0.enumerated() { content[index] = byte } }
        for (index, byte) in key.publicKey.bytes.enumerated() { content[SigningKey.seedByteCount + index] = byte }
        passphraseKey.turn(&content, nonce: nonce)
        let terms = passphraseKey.terms
        let body =
            terms.salt + bigEndian(terms.memory) + bigEndian(terms.passes) + bigEndian(UInt32(1)) + nonce + content
        return header + Base64URL.encode(body + passphraseKey.tag(over: Array(header.utf8) + body))
    }

    /// The key in the line.
    ///
    /// - Throws: `malformed` for what is no such line, `passphraseWrong`.
    public static func unlock(_ line: String, passphrase: Passphrase) throws(TokenError) -> SigningKey {
        let locked = try LockedKey(line)
        guard let made = PassphraseKey(passphrase, locked.terms) else { throw tooMuchWork }
        return try locked.open(with: made)
    }

    /// - Throws: `malformed` for what is no such line.
    init(_ line: String) throws(TokenError) {
        guard LockedKey.isOne(line) else { throw .malformed("a locked key begins with \(LockedKey.header)") }
        let bytes: [UInt8]
        do { bytes = try Base64URL.decode(line.utf8.dropFirst(LockedKey.header.utf8.count)) } catch {
            throw .malformed("a locked key is base64url")
        }
        guard bytes.count == LockedKey.byteCount else {
            throw .malformed("a locked key has \(LockedKey.byteCount) bytes, not \(bytes.count)")
        }
        let lanes: UInt32 = LockedKey.number(bytes[28..<32])
        terms = PassphraseKey.Terms(
            salt: Array(bytes[..<16]), memory: LockedKey.number(bytes[16..<24]),
            passes: LockedKey.number(bytes[24..<28]))
        guard terms.isBearable, lanes == 1 else { throw LockedKey.tooMuchWork }
        body = Array(bytes.dropLast(LockedKey.tagBytes))
        tag = Array(bytes.suffix(LockedKey.tagBytes))
    }

    private static let tooMuchWork = TokenError.malformed("a locked key asks for more work than it may")

    /// - Throws: `passphraseWrong`; `malformed` where it was made to give a secret away.
    func open(with passphraseKey: PassphraseKey) throws(TokenError) -> SigningKey {
        let shown = passphraseKey.tag(over: Array(LockedKey.header.utf8) + body)
        guard sodium_memcmp(shown, tag, LockedKey.tagBytes) == 0 else { throw .passphraseWrong }
        var content = Array(body.suffix(LockedKey.keyBytes))
        defer { sodium_memzero(&content, content.count) }
        passphraseKey.turn(&content, nonce: Array(body[32..<(32 + LockedKey.nonceBytes)]))
        var seed = Array(content[..<SigningKey.seedByteCount])
        defer { sodium_memzero(&seed, seed.count) }
        let key = SigningKey(seed: seed)
        // Another public half would give the secret away with the first signature.
        guard key.publicKey.bytes == Array(content[SigningKey.seedByteCount...]) else {
            throw .malformed("the halves of a locked key do not belong together")
        }
        return key
    }

    /// Whether a line is meant as one.
    public static func isOne(_ line: String) -> Bool { isOne(Array(line.utf8)) }

    static func isOne(_ line: [UInt8]) -> Bool { line.starts(with: header.utf8) }

    private static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
        bytes.reduce(0) { $0 << 8 | Number($1) }
    }
}
