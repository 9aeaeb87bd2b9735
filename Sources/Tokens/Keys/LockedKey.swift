import CSodium
import Codec

/// A signing key under a passphrase: PASERK `k4.secret-pw`, one line that may lie where others can read it.
///
/// Argon2id makes the key of the line from the passphrase, XChaCha20 hides the signing key, BLAKE2b keyed by the same
/// shows a wrong passphrase (PASERK, operation PBKW, version 4).
public enum LockedKey {
    private static let header = "k4.secret-pw."
    private static let (saltBytes, nonceBytes, keyBytes, tagBytes) = (16, 24, 64, 32)
    /// Bytes of memory and passes that a guess costs: half a second here, and not less on a card with thousands of cores.
    private static let (memory, passes) = (UInt64(64 << 20), UInt32(3))
    /// What a stranger's line may ask for.
    private static let (memoryMax, passesMax) = (UInt64(1 << 30), UInt32(16))

    /// The line, without a line feed. The passphrase must not be empty.
    public static func lock(_ key: SigningKey, passphrase: [UInt8]) -> String {
        lock(key, passphrase: passphrase, memory: memory, passes: passes)
    }

    static func lock(_ key: SigningKey, passphrase: [UInt8], memory: UInt64, passes: UInt32) -> String {
        let salt = SecureRandom.bytes(saltBytes)
        let nonce = SecureRandom.bytes(nonceBytes)
        guard let keys = Keys(passphrase, salt: salt, memory: memory, passes: passes) else {
            preconditionFailure("an empty passphrase, or no memory for Argon2id")
        }
        var content = key.withSeed { Array($0) } + key.publicKey.bytes
        keys.hide(&content, nonce: nonce)
        let body = salt + bigEndian(memory) + bigEndian(passes) + bigEndian(UInt32(1)) + nonce + content
        return header + Base64URL.encode(body + keys.tag(over: Array(header.utf8) + body))
    }

    /// The key in the line.
    ///
    /// - Throws: `malformed` for what is no such line, `passphraseWrong`.
    public static func unlock(_ line: String, passphrase: [UInt8]) throws(TokenError) -> SigningKey {
        guard isOne(line) else { throw .malformed("a locked key begins with \(header)") }
        let bytes: [UInt8]
        do { bytes = try Base64URL.decode(line.utf8.dropFirst(header.utf8.count)) } catch {
            throw .malformed("a locked key is base64url")
        }
        let count = saltBytes + 16 + nonceBytes + keyBytes + tagBytes
        guard bytes.count == count else { throw .malformed("a locked key has \(count) bytes, not \(bytes.count)") }
        let memory: UInt64 = number(bytes[16..<24])
        let (passes, lanes): (UInt32, UInt32) = (number(bytes[24..<28]), number(bytes[28..<32]))
        guard memory <= memoryMax, passes <= passesMax, lanes == 1,
            let keys = Keys(passphrase, salt: Array(bytes[..<saltBytes]), memory: memory, passes: passes)
        else { throw .malformed("a locked key asks for more work than it may") }
        let body = Array(bytes[..<(count - tagBytes)])
        guard sodium_memcmp(keys.tag(over: Array(header.utf8) + body), Array(bytes[body.count...]), tagBytes) == 0
        else {
            throw .passphraseWrong
        }
        var content = Array(body[(count - tagBytes - keyBytes)...])
        defer { sodium_memzero(&content, content.count) }
        keys.hide(&content, nonce: Array(body[32..<(32 + nonceBytes)]))
        let key = SigningKey(seed: Array(content[..<SigningKey.seedByteCount]))
        // Another public half would give the secret away with the first signature.
        guard key.publicKey.bytes == Array(content[SigningKey.seedByteCount...]) else {
            throw .malformed("the halves of a locked key do not belong together")
        }
        return key
    }

    /// Whether a line is meant as one.
    public static func isOne(_ line: String) -> Bool { line.utf8.starts(with: header.utf8) }

    /// What a passphrase gives.
    private struct Keys {
        private let encryption: [UInt8]
        private let authentication: [UInt8]

        /// nil where the host has not the memory, or the costs are below Argon2's own.
        init?(_ passphrase: [UInt8], salt: [UInt8], memory: UInt64, passes: UInt32) {
            var key = [UInt8](repeating: 0, count: 32)
            defer { sodium_memzero(&key, key.count) }
            let done = passphrase.map(CChar.init(bitPattern:)).withUnsafeBufferPointer { characters in
                guard let first = characters.baseAddress else { return Int32(-1) }
                return crypto_pwhash(
                    &key, UInt64(key.count), first, UInt64(characters.count), salt, UInt64(passes), Int(memory),
                    crypto_pwhash_alg_argon2id13())
            }
            guard done == 0 else { return nil }
            encryption = Keys.hash([0xFF] + key)
            authentication = Keys.hash([0xFE] + key)
        }

        func hide(_ content: inout [UInt8], nonce: [UInt8]) {
            let plain = content
            crypto_stream_xchacha20_xor(&content, plain, UInt64(plain.count), nonce, encryption)
        }

        func tag(over bytes: [UInt8]) -> [UInt8] { Keys.hash(bytes, key: authentication) }

        private static func hash(_ bytes: [UInt8], key: [UInt8] = []) -> [UInt8] {
            var hash = [UInt8](repeating: 0, count: 32)
            crypto_generichash(&hash, hash.count, bytes, UInt64(bytes.count), key, key.count)
            return hash
        }
    }

    private static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
        bytes.reduce(0) { $0 << 8 | Number($1) }
    }
}
