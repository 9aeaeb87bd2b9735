import CSodium
import Codec
import Glibc

/// A signing key at rest: one line in a file that only its owner may read.
///
/// The line is `swarmlet.seed.1.` and the seed in base64url. A file that others may read or that belongs to someone else
/// is refused, because then the key may no longer be a secret.
public enum SigningKeyFile {
    private static let prefix = "swarmlet.seed.1."
    private static let lineByteCount = prefix.utf8.count + 43 + 1

    /// Writes the key to a new file with mode 0600 and makes it durable. Its directory must exist.
    ///
    /// - Throws: `keyExists` rather than replace a file; `keyFile` with the system's reason.
    public static func save(_ key: SigningKey, to path: String) throws(TokenError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw errno == EEXIST ? .keyExists(path: path) : .keyFile(path: path, reason: reason(errno))
        }
        var line = line(of: key)
        defer { sodium_memzero(&line, line.count) }
        let written = write(file, line, line.count)
        // The umask may have taken bits away from the owner, never added any for others.
        guard written == line.count, fchmod(file, 0o600) == 0, fsync(file) == 0 else {
            let error = errno
            close(file)
            unlink(path)
            throw .keyFile(path: path, reason: reason(error))
        }
        close(file)
        try syncDirectory(of: path)
    }

    /// Reads the key of a file.
    ///
    /// - Throws: `keyMissing`, `keyReadable`, `keyForeign`, `keyDamaged`, or `keyFile` with the system's reason.
    public static func load(_ path: String) throws(TokenError) -> SigningKey {
        // Not blocking, so that a named pipe in its place does not hang the start.
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            switch errno {
            case ENOENT: throw .keyMissing(path: path)
            case ELOOP: throw .keyForeign(path: path)
            default: throw .keyFile(path: path, reason: reason(errno))
            }
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .keyFile(path: path, reason: reason(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid() else { throw .keyForeign(path: path) }
        guard status.st_mode & 0o077 == 0 else { throw .keyReadable(path: path) }
        // One byte more than a key takes, to see what is too long.
        var line = [UInt8](repeating: 0, count: lineByteCount + 1)
        defer { sodium_memzero(&line, line.count) }
        let count = read(file, &line, line.count)
        guard count >= 0 else { throw .keyFile(path: path, reason: reason(errno)) }
        guard let key = parse(line[..<count]) else { throw .keyDamaged(path: path) }
        return key
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

    private static func syncDirectory(of path: String) throws(TokenError) {
        let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? "."
        let directory = open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .keyFile(path: path, reason: reason(errno)) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw .keyFile(path: path, reason: reason(errno)) }
    }

    private static func reason(_ error: Int32) -> String { String(cString: strerror(error)) }
}
