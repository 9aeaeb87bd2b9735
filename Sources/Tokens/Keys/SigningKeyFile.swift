import CSodium
import Codec

/// A signing key at rest: one line in a file that only its owner may read.
///
/// The line is `swarmlet.seed.1.` and the seed in base64url, or a PASERK `k4.secret-pw` where the keys of the host are
/// locked by a passphrase. A file that others may read or that belongs to someone else is refused, because then the key
/// may no longer be a secret.
public enum SigningKeyFile {
    private static let prefix = "swarmlet.seed.1."
    private static let lineByteCount = prefix.utf8.count + 43 + 1
    /// Bytes of either form.
    public static let byteCountMax = max(lineByteCount, LockedKey.lineByteCount + 1)

    /// Writes the key to a new file with mode 0600, as keys are written under that lock, and makes it durable. Its
    /// directory must exist.
    ///
    /// - Throws: `keyExists` rather than replace a file; `keyFile` with the system's reason.
    public static func save(_ key: SigningKey, to path: String, _ lock: KeyLock) throws(TokenError) {
        var line = lock.line(of: key)
        defer { sodium_memzero(&line, line.count) }
        try SecretFile.create(path, with: line)
    }

    /// Puts the key in the place of what is in a file, as keys are written under that lock, whole or not at all.
    public static func replace(_ path: String, with key: SigningKey, _ lock: KeyLock) throws(TokenError) {
        var line = lock.line(of: key)
        defer { sodium_memzero(&line, line.count) }
        try SecretFile.replace(path, with: line)
    }

    /// Reads the key of a file.
    ///
    /// - Throws: `keyMissing`, `keyReadable`, `keyForeign`, `keyDamaged`, or `keyFile` with the system's reason; `keyLocked`
    ///   and `keyNotOpened` for a key that this lock does not open.
    public static func load(_ path: String, _ lock: KeyLock) throws(TokenError) -> SigningKey {
        var line = try SecretFile.read(path, byteCountMax: byteCountMax)
        defer { sodium_memzero(&line, line.count) }
        if LockedKey.isOne(line) { return try lock.open(text(line), path: path) }
        guard let key = parse(line[...]) else { throw .keyDamaged(path: path) }
        return key
    }

    /// Whether the content of a key's file is locked by a passphrase.
    public static func isLocked(_ content: [UInt8]) -> Bool { LockedKey.isOne(content) }

    /// Whether content is locked as this lock does it.
    public static func isLocked(_ content: [UInt8], as lock: KeyLock) -> Bool {
        isLocked(content) && lock.isOwn(text(content))
    }

    private static func text(_ line: [UInt8]) -> String {
        String(decoding: line.last == UInt8(ascii: "\n") ? line.dropLast() : line[...], as: UTF8.self)
    }

    /// The line that a file holds, for a person who keeps a copy elsewhere. It is the secret itself.
    public static func line(of key: SigningKey) -> [UInt8] {
        key.withSeed { Array(prefix.utf8) + Array(Base64URL.encode($0).utf8) + [UInt8(ascii: "\n")] }
    }

    /// The key in such a line, with or without its end of line; nil where it is none.
    public static func parse(_ line: ArraySlice<UInt8>) -> SigningKey? {
        let body = line.last == UInt8(ascii: "\n") ? line.dropLast() : line
        guard body.starts(with: prefix.utf8) else { return nil }
        var seed: [UInt8]
        do { seed = try Base64URL.decode(body.dropFirst(prefix.utf8.count)) } catch { return nil }
        defer { sodium_memzero(&seed, seed.count) }
        guard seed.count == SigningKey.seedByteCount else { return nil }
        return SigningKey(seed: seed)
    }
}
