import CLinux
import Codec
import Glibc
import Synchronization

/// Content kept on disk under its BLAKE3 digest: `<directory>/3f/3fa9...`.
///
/// Blocking and confined to one thread at a time; several stores on one directory do not disturb each other. What was
/// put is visible to this store at once, and to others and after a power failure with `commit`. A digest that is there
/// is there whole: content is written aside, made durable and only then given its name.
public final class BlobStore: @unchecked Sendable {
    public let path: String
    private let root: DirectoryHandle
    private let incoming: DirectoryHandle
    // Content written aside and its digest, in the order of arrival.
    private var staged: [(digest: Digest, name: String)] = []
    private var stagedNames: [Digest: String] = [:]

    private static let incomingName = "incoming"
    // A mark of use is renewed no more often than this: each is a write to the disk.
    private static let markSeconds = 600
    // Names written aside must differ between all stores of a process.
    private static let counter = Atomic<UInt64>(0)

    /// Opens the store at `path`, which is made with mode 0700 where it is missing; its parent must exist.
    public init(path: String) throws(TransferError) {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .disk(path: path, operation: "making the directory", reason: errorText(errno))
        }
        root = try DirectoryHandle(path: path)
        guard mkdirat(root.descriptor, Self.incomingName, 0o700) == 0 || errno == EEXIST else {
            throw .disk(path: path, operation: "making the directory", reason: errorText(errno))
        }
        incoming = try root.directory(Self.incomingName)
    }

    deinit {
        for item in staged { unlinkat(incoming.descriptor, item.name, 0) }
    }

    // MARK: Writing

    /// Keeps `content` and returns its digest.
    @discardableResult
    public func put(_ content: [UInt8]) throws(TransferError) -> Digest {
        let digest = BLAKE3.hash(content)
        try stage(content, as: digest)
        return digest
    }

    /// Keeps `content`, which must have this digest. Throws `blobDamaged` or `disk`.
    public func put(_ content: [UInt8], as digest: Digest) throws(TransferError) {
        guard BLAKE3.hash(content) == digest else { throw .blobDamaged(digest) }
        try stage(content, as: digest)
    }

    /// Keeps content whose digest was just computed from it.
    public func stage(_ content: [UInt8], as digest: Digest) throws(TransferError) {
        if has(digest) { return }
        if staged.count >= TransferConstants.stagedBlobsMax { try commit() }
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        let name = "\(getpid())-\(number)"
        let file = openat(incoming.descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw diskError("making a file", errno) }
        let failure = writeAll(content[...], to: file)
        close(file)
        if let failure {
            unlinkat(incoming.descriptor, name, 0)
            throw diskError("writing", failure)
        }
        staged.append((digest, name))
        stagedNames[digest] = name
    }

    /// Makes everything that was put durable and visible to every store on this directory.
    ///
    /// One flush of the file system serves all, which for many small files is far cheaper than one for each.
    public func commit() throws(TransferError) {
        guard !staged.isEmpty else { return }
        guard swarmlet_syncfs(root.descriptor) == 0 else { throw diskError("flushing", errno) }
        while let item = staged.last {
            let prefix = Self.prefix(item.digest)
            guard mkdirat(root.descriptor, prefix, 0o700) == 0 || errno == EEXIST else {
                throw diskError("making a directory", errno)
            }
            guard renameat(incoming.descriptor, item.name, root.descriptor, Self.location(item.digest)) == 0 else {
                throw diskError("naming content", errno)
            }
            staged.removeLast()
            stagedNames[item.digest] = nil
        }
        guard swarmlet_syncfs(root.descriptor) == 0 else { throw diskError("flushing", errno) }
    }

    // MARK: Reading

    /// Whether the content is here. The answer also marks it as just used, which keeps it through the next collection.
    public func has(_ digest: Digest) -> Bool {
        if stagedNames[digest] != nil { return true }
        var status = stat()
        let location = Self.location(digest)
        guard fstatat(root.descriptor, location, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
        if status.st_mtim.tv_sec + Self.markSeconds > time(nil) { return true }
        return utimensat(root.descriptor, location, nil, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// Those of `digests` that are not here, in the same order.
    public func missing(_ digests: [Digest]) -> [Digest] { digests.filter { !has($0) } }

    /// How many bytes the content has. Throws `blobMissing`.
    public func byteCount(_ digest: Digest) throws(TransferError) -> UInt64 { try open(digest).status().byteCount }

    /// Up to `count` bytes from `offset`, not verified. Throws `blobMissing`.
    public func read(_ digest: Digest, offset: UInt64, count: Int) throws(TransferError) -> [UInt8] {
        try open(digest).read(offset: offset, count: count)
    }

    /// The whole content, verified. Throws `blobMissing`; `blobDamaged` also removes it, so that it can be had anew.
    public func read(_ digest: Digest, byteCountMax: Int = TransferConstants.manifestBytesMax) throws(TransferError)
        -> [UInt8]
    {
        let file = try open(digest)
        let byteCount = try file.status().byteCount
        let content = byteCount <= UInt64(byteCountMax) ? try file.read(offset: 0, count: Int(byteCount)) : []
        guard BLAKE3.hash(content) == digest else {
            if stagedNames[digest] == nil { unlinkat(root.descriptor, Self.location(digest), 0) }
            throw .blobDamaged(digest)
        }
        return content
    }

    /// Keeps an encoded manifest and returns its root.
    @discardableResult
    public func put(_ manifest: Manifest) throws(TransferError) -> Digest { try put(manifest.encoded()) }

    /// The manifest with this root. Throws `blobMissing`, `blobDamaged` or its flaw.
    public func manifest(_ root: Digest) throws(TransferError) -> Manifest { try Manifest.decode(read(root)) }

    private func open(_ digest: Digest) throws(TransferError) -> OpenFile {
        do {
            if let name = stagedNames[digest] { return try incoming.file(name) }
            return try root.file(Self.location(digest))
        } catch .notFound, .notDirectory {
            throw .blobMissing(digest)
        }
    }

    // MARK: Collecting garbage

    /// Removes all content that is not in `keep` and was last put or asked for before `unusedSince` (seconds of Unix
    /// time, at least ten minutes ago: marks of use are no finer).
    public func collect(
        keeping keep: Set<Digest>, unusedSince: Int
    ) throws(TransferError) -> (blobCount: Int, byteCount: UInt64) {
        var blobCount = 0
        var byteCount: UInt64 = 0
        for prefix in try root.names() where prefix.count == 2 {
            let directory = try root.directory(String(decoding: prefix, as: UTF8.self))
            for bytes in try directory.names() {
                let name = String(decoding: bytes, as: UTF8.self)
                guard let digest = Digest(hex: name), !keep.contains(digest), let status = try directory.status(name),
                    status.modified.seconds < unusedSince
                else { continue }
                guard unlinkat(directory.descriptor, name, 0) == 0 || errno == ENOENT else {
                    throw diskError("removing content", errno)
                }
                blobCount += 1
                byteCount += status.byteCount
            }
        }
        return (blobCount, byteCount)
    }

    /// Removes what was written aside by processes that ended before they could commit. Only while no store is in use.
    public func removeLeftovers() throws(TransferError) {
        for name in try incoming.names() {
            guard unlinkat(incoming.descriptor, String(decoding: name, as: UTF8.self), 0) == 0 || errno == ENOENT else {
                throw diskError("removing a leftover", errno)
            }
        }
    }

    private static func prefix(_ digest: Digest) -> String { String(digest.hex.prefix(2)) }
    private static func location(_ digest: Digest) -> String {
        let hex = digest.hex
        return hex.prefix(2) + "/" + hex
    }

    private func diskError(_ operation: String, _ number: Int32) -> TransferError {
        .disk(path: path, operation: operation, reason: errorText(number))
    }
}

/// Writes all of `bytes`; returns the error number of the first failure.
func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Int32? {
    bytes.withUnsafeBytes { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
            let wrote = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress!, rest.count)
            if wrote < 0 {
                if errno == EINTR { continue }
                return errno
            }
            rest = rest.dropFirst(wrote)
        }
        return nil
    }
}
