import CSodium
import Mesh
import Tokens

/// A session key at rest: its 32 bytes, or, where the keys of the host are locked, the line that a signing key with these
/// bytes as its seed is locked as. Nobody ever signs with that.
enum NoiseKeyFile {
    private static let byteCount = 32

    /// - Throws: as `SigningKeyFile.load`.
    static func load(_ path: String, _ lock: KeyLock) throws(TokenError) -> NoiseKeyPair {
        var content = try SecretFile.read(path, byteCountMax: SigningKeyFile.byteCountMax)
        defer { sodium_memzero(&content, content.count) }
        if SigningKeyFile.isLocked(content) {
            let key = try SigningKeyFile.load(path, lock)
            var secret = key.withSeed { Array($0) }
            defer { sodium_memzero(&secret, secret.count) }
            return try pair(secret, path)
        }
        return try pair(content, path)
    }

    private static func pair(_ secret: [UInt8], _ path: String) throws(TokenError) -> NoiseKeyPair {
        do { return try NoiseKeyPair(secretBytes: secret) } catch { throw .keyDamaged(path: path) }
    }

    /// Puts the key in the place of what is in a file, if there is one.
    static func replace(_ path: String, with pair: NoiseKeyPair, _ lock: KeyLock) throws(TokenError) {
        var secret = pair.withSecretBytes { Array(UnsafeBufferPointer(start: $0, count: byteCount)) }
        defer { sodium_memzero(&secret, secret.count) }
        guard lock.isLocking else { return try SecretFile.replace(path, with: secret) }
        try SigningKeyFile.replace(path, with: SigningKey(seed: secret), lock)
    }
}
