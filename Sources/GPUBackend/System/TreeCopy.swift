import CLinux
import Glibc

/// Copies what a job left in a directory to one of the daemon's own, or back into the directory of another job.
///
/// Both sides are walked by open directories, one name at a time and without following links, so that nobody who can
/// write there leads a daemon of root's out of it. Copied are files, directories and links as they are, with times and the
/// permissions of owner, group and others; sockets, pipes and devices are not. What stands in the target already stays.
public struct TreeCopy {
    /// Below the source, separated by `/`: files that are not copied; directories among them are looked into.
    public var known: Set<String> = []
    /// Below the source: not copied, and not looked into.
    public var leftOut: Set<String> = []
    /// To whom the copies belong; nil: to this process.
    public var owner: JobUser?
    public var bytesMax: UInt64
    public var entriesMax: Int

    /// What has been copied.
    public private(set) var bytes: UInt64 = 0
    public private(set) var entries = 0

    private static let depthMax = 256
    /// A symbolic link is at most so long (PATH_MAX).
    private static let linkBytesMax = 4_096

    public init(bytesMax: UInt64 = .max, entriesMax: Int = .max) {
        self.bytesMax = bytesMax
        self.entriesMax = entriesMax
    }

    /// Copies everything below `source` into `target`; both are directories that are there.
    ///
    /// Throws the first error; `EFBIG` where it is more than was allowed, `ENAMETOOLONG` where it is too deep.
    public mutating func run(from source: String, into target: String) throws(HostError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let from = try HostFiles.open(source, flags)
        defer { close(from) }
        let into = try HostFiles.open(target, flags)
        defer { close(into) }
        try copyContent(of: from, into: into, below: "", depth: 0)
    }

    private mutating func copyContent(
        of from: Int32, into: Int32, below path: String, depth: Int
    ) throws(HostError) {
        guard depth < Self.depthMax else { throw .system(operation: "copy", path: path, errorNumber: ENAMETOOLONG) }
        for name in try HostFiles.names(of: from, path) {
            let inner = path + (path.isEmpty ? "" : "/") + HostFiles.text(name)
            if leftOut.contains(inner) { continue }
            var facts = stat()
            guard fstatat(from, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { throw Self.failure("stat", inner) }
            switch facts.st_mode & S_IFMT {
            case S_IFDIR: try copyDirectory(name, from, into, facts, inner, depth)
            case S_IFREG where !known.contains(inner): try copyFile(name, from, into, inner)
            case S_IFLNK where !known.contains(inner): try copyLink(name, from, into, facts, inner)
            default: continue
            }
        }
    }

    private mutating func count(_ size: Int, _ path: String) throws(HostError) {
        entries += 1
        bytes += UInt64(max(0, size))
        if bytes > bytesMax || entries > entriesMax {
            throw .system(operation: "copy", path: path, errorNumber: EFBIG)
        }
    }

    private mutating func copyDirectory(
        _ name: [CChar], _ from: Int32, _ into: Int32, _ facts: stat, _ path: String, _ depth: Int
    ) throws(HostError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let source = openat(from, name, flags)
        guard source >= 0 else { throw Self.failure("open", path) }
        defer { close(source) }
        let isNew = mkdirat(into, name, 0o700) == 0
        // Something else stands there: it stays, and nothing can be below it.
        guard isNew || errno == EEXIST else { throw Self.failure("mkdir", path) }
        let target = openat(into, name, flags)
        guard target >= 0 else {
            if !isNew, errno == ENOTDIR || errno == ELOOP { return }
            throw Self.failure("open", path)
        }
        defer { close(target) }
        let before = entries
        try copyContent(of: source, into: target, below: path, depth: depth + 1)
        guard isNew else { return }
        // One that only led to what is known is not kept for itself.
        if known.contains(path), entries == before {
            unlinkat(into, name, AT_REMOVEDIR)
            return
        }
        try count(0, path)
        try finish(target, facts, path)
    }

    private mutating func copyFile(_ name: [CChar], _ from: Int32, _ into: Int32, _ path: String) throws(HostError) {
        let source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard source >= 0 else { throw Self.failure("open", path) }
        defer { close(source) }
        var facts = stat()
        guard fstat(source, &facts) == 0 else { throw Self.failure("stat", path) }
        // It was a file when it was listed.
        guard facts.st_mode & S_IFMT == S_IFREG else { return }
        try count(facts.st_size, path)
        let target = openat(into, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard target >= 0 else {
            if errno == EEXIST { return }
            throw Self.failure("create", path)
        }
        defer { close(target) }
        guard clinux_copy_content(source, target, Int64(facts.st_size)) == 0 else { throw Self.failure("copy", path) }
        try finish(target, facts, path)
    }

    private mutating func copyLink(
        _ name: [CChar], _ from: Int32, _ into: Int32, _ facts: stat, _ path: String
    ) throws(HostError) {
        try count(0, path)
        var text = [CChar](repeating: 0, count: Self.linkBytesMax + 1)
        let length = readlinkat(from, name, &text, Self.linkBytesMax)
        guard length >= 0 else { throw Self.failure("readlink", path) }
        text[length] = 0
        guard symlinkat(text, into, name) == 0 else {
            if errno == EEXIST { return }
            throw Self.failure("symlink", path)
        }
        if let owner, fchownat(into, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) != 0 {
            throw Self.failure("chown", path)
        }
    }

    /// Rights that a copy would give to somebody else, by being set-user-ID, are not copied.
    private func finish(_ target: Int32, _ facts: stat, _ path: String) throws(HostError) {
        var times = [facts.st_atim, facts.st_mtim]
        guard futimens(target, &times) == 0 else { throw Self.failure("utimes", path) }
        guard fchmod(target, facts.st_mode & 0o777) == 0 else { throw Self.failure("chmod", path) }
        if let owner, fchown(target, owner.user, owner.group) != 0 { throw Self.failure("chown", path) }
    }

    private static func failure(_ operation: String, _ path: String) -> HostError {
        .system(operation: operation, path: path, errorNumber: errno)
    }
}
