import CSodium
import Glibc

/// A small file that only its owner may read.
public enum SecretFile {
    /// Its content, which the caller wipes.
    ///
    /// - Throws: `keyMissing`, `keyReadable`, `keyForeign`, `keyDamaged` for a longer one, or `keyFile` with the system's
    ///   reason.
    public static func read(_ path: String, byteCountMax: Int) throws(TokenError) -> [UInt8] {
        // Not blocking, so that a named pipe in its place does not hang the start.
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            switch errno {
            case ENOENT: throw .keyMissing(path: path)
            case ELOOP: throw .keyForeign(path: path)
            default: throw failure(path, errno)
            }
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid() else { throw .keyForeign(path: path) }
        guard status.st_mode & 0o077 == 0 else { throw .keyReadable(path: path) }
        // One byte more than it may have, to see what is too long.
        var content = [UInt8](repeating: 0, count: byteCountMax + 1)
        let count = Glibc.read(file, &content, content.count)
        guard count >= 0 else { throw failure(path, errno) }
        guard count <= byteCountMax else {
            sodium_memzero(&content, content.count)
            throw .keyDamaged(path: path)
        }
        content.removeLast(content.count - count)
        return content
    }

    /// Writes a new file with mode 0600 and makes it durable. Its directory must exist.
    ///
    /// - Throws: `keyExists` rather than replace a file; `keyFile` with the system's reason.
    public static func create(_ path: String, with content: [UInt8]) throws(TokenError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw errno == EEXIST ? .keyExists(path: path) : failure(path, errno) }
        let written = write(file, content, content.count)
        // The umask may have taken bits away from the owner, never added any for others.
        guard written == content.count, fchmod(file, 0o600) == 0, fsync(file) == 0 else {
            let error = errno
            close(file)
            unlink(path)
            throw failure(path, error)
        }
        close(file)
        try syncDirectory(of: path)
    }

    /// Puts other content in the place of that of a file, whole or not at all, and overwrites what was there.
    public static func replace(_ path: String, with content: [UInt8]) throws(TokenError) {
        let temporary = path + ".new"
        try delete(temporary)
        try create(temporary, with: content)
        // Its owner may have made it read-only. Where this is refused, so is what follows, with the reason.
        chmod(path, 0o600)
        let former = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard former >= 0 || errno == ENOENT else { throw failure(path, errno) }
        defer { if former >= 0 { close(former) } }
        guard rename(temporary, path) == 0 else { throw failure(path, errno) }
        try syncDirectory(of: path)
        if former >= 0 { try overwrite(former, path) }
    }

    /// Deletes a file, if there is one, and overwrites what was in it.
    public static func delete(_ path: String) throws(TokenError) {
        let file = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return }
            throw failure(path, errno)
        }
        defer { close(file) }
        guard unlink(path) == 0 else { throw failure(path, errno) }
        try overwrite(file, path)
    }

    /// Only what has no name any more: others may be meant to stay.
    private static func overwrite(_ file: Int32, _ path: String) throws(TokenError) {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure(path, errno) }
        guard status.st_nlink == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return }
        let zeros = [UInt8](repeating: 0, count: Int(min(status.st_size, 1 << 16)))
        guard pwrite(file, zeros, zeros.count, 0) == zeros.count, fsync(file) == 0 else { throw failure(path, errno) }
    }

    private static func syncDirectory(of path: String) throws(TokenError) {
        let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? "."
        let directory = open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure(path, errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure(path, errno) }
    }

    private static func failure(_ path: String, _ error: Int32) -> TokenError {
        .keyFile(path: path, reason: String(cString: strerror(error)))
    }
}
