import CLinux
import Codec
import Glibc

/// Builds the tree of a manifest from the contents of a store.
///
/// Blocking. No symbolic link below the target is ever followed, so nobody who can write there can lead it elsewhere.
/// Each file appears whole or not at all; directories that exist are kept with what else is in them, files and links of
/// the same name are replaced. The tree as a whole is not atomic: after an error part of it may be there.
public struct Materializer {
    /// Who owns what is made.
    public struct Owner: Hashable, Sendable {
        public var userID: UInt32
        public var groupID: UInt32

        public init(userID: UInt32, groupID: UInt32) {
            self.userID = userID
            self.groupID = groupID
        }
    }

    /// How safe the tree is when `write` returns.
    public enum Durability: Hashable, Sendable {
        /// In the page cache: for working directories, which can be made again.
        case cached
        /// On the disk: for results.
        case synced
    }

    public let store: BlobStore

    public init(store: BlobStore) { self.store = store }

    /// Writes the tree into the directory at `path`, which is made where it is missing (its parent must exist).
    ///
    /// Before anything is written: throws `blobMissing` where content is not in the store and `disk` where the space does
    /// not suffice. Later: `inTheWay`, `blobDamaged`, `disk`.
    public func write(
        _ manifest: Manifest, into path: String, owner: Owner? = nil, durability: Durability = .cached
    ) throws(TransferError) {
        if let missing = store.missing(manifest.chunks).first { throw .blobMissing(missing) }
        if mkdir(path, 0o700) == 0 {
            if let owner, chown(path, owner.userID, owner.groupID) != 0 {
                throw Writer.failure(path, "giving to its owner")
            }
        } else if errno != EEXIST {
            throw Writer.failure(path, "making the directory")
        }
        let root = try DirectoryHandle(path: path)
        try Self.checkSpace(for: manifest.byteCount, at: root)
        var writer = Writer(store: store, root: root, owner: owner)
        for entry in manifest.entries { try writer.write(entry) }
        if durability == .synced, swarmlet_syncfs(root.descriptor) != 0 { throw Writer.failure(path, "flushing") }
    }

    private static func checkSpace(for byteCount: UInt64, at root: DirectoryHandle) throws(TransferError) {
        var status = statvfs()
        guard fstatvfs(root.descriptor, &status) == 0 else { throw Writer.failure(root.path, "reading the free space") }
        let free = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        guard free.overflow || free.partialValue >= byteCount else {
            throw .disk(
                path: root.path, operation: "writing \(byteCount) bytes", reason: "only \(free.partialValue) are free")
        }
    }
}

extension Materializer {
    /// The state of one `write`.
    struct Writer {
        let store: BlobStore
        let owner: Owner?
        /// The directories from the root to the last one used, with their paths: entries come nearly in tree order.
        private var open: [(path: String, handle: DirectoryHandle)]
        private var temporaryCount = 0

        init(store: BlobStore, root: DirectoryHandle, owner: Owner?) {
            self.store = store
            self.owner = owner
            open = [("", root)]
        }

        mutating func write(_ entry: Manifest.Entry) throws(TransferError) {
            let directory = try directory(RelativePath.parent(of: entry.path))
            let name = RelativePath.name(of: entry.path)
            switch entry.content {
            case .directory: try makeDirectory(name, in: directory)
            case .symlink(let target):
                let temporary = nextTemporaryName()
                guard symlinkat(target, directory.descriptor, temporary) == 0 else {
                    throw Self.failure(directory.path(of: name), "making a link")
                }
                try settle(temporary, as: name, in: directory)
            case .file(let file): try writeFile(file, name, in: directory)
            }
        }

        private func makeDirectory(_ name: String, in directory: DirectoryHandle) throws(TransferError) {
            if mkdirat(directory.descriptor, name, 0o777) == 0 {
                try give(name, in: directory)
                return
            }
            guard errno == EEXIST else { throw Self.failure(directory.path(of: name), "making the directory") }
            guard try directory.status(name)?.kind == .directory else { throw .inTheWay(directory.path(of: name)) }
        }

        private mutating func writeFile(
            _ file: Manifest.File, _ name: String, in directory: DirectoryHandle
        ) throws(TransferError) {
            let temporary = nextTemporaryName()
            let descriptor = openat(
                directory.descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                file.isExecutable ? 0o777 : 0o666)
            guard descriptor >= 0 else { throw Self.failure(directory.path(of: name), "making the file") }
            do throws(TransferError) {
                defer { close(descriptor) }
                for (index, digest) in file.chunks.enumerated() {
                    let content = try store.read(digest, byteCountMax: TransferConstants.chunkBytes)
                    guard content.count == file.chunkByteCount(at: index) else {
                        throw .chunksMismatch(name)
                    }
                    if let number = writeAll(content[...], to: descriptor) {
                        throw .disk(
                            path: directory.path(of: name), operation: "writing", reason: errorText(number))
                    }
                }
            } catch {
                unlinkat(directory.descriptor, temporary, 0)
                throw error
            }
            try settle(temporary, as: name, in: directory)
        }

        /// Gives what was made aside its owner and its name.
        private func settle(_ temporary: String, as name: String, in directory: DirectoryHandle) throws(TransferError) {
            do throws(TransferError) {
                try give(temporary, in: directory)
                guard renameat(directory.descriptor, temporary, directory.descriptor, name) == 0 else {
                    let path = directory.path(of: name)
                    throw errno == EISDIR || errno == EEXIST || errno == ENOTEMPTY
                        ? TransferError.inTheWay(path) : Self.failure(path, "naming the file")
                }
            } catch {
                unlinkat(directory.descriptor, temporary, 0)
                throw error
            }
        }

        private func give(_ name: String, in directory: DirectoryHandle) throws(TransferError) {
            guard let owner else { return }
            let answer = fchownat(directory.descriptor, name, owner.userID, owner.groupID, AT_SYMLINK_NOFOLLOW)
            guard answer == 0 else { throw Self.failure(directory.path(of: name), "giving to its owner") }
        }

        /// The open directory with this path, which an entry before has made or found.
        private mutating func directory(_ path: String) throws(TransferError) -> DirectoryHandle {
            while let last = open.last, !(last.path.isEmpty || path == last.path || path.hasPrefix(last.path + "/")) {
                open.removeLast()
            }
            var position = open[open.count - 1].path
            let rest = path.utf8.dropFirst(position.utf8.count)
            for name in rest.split(separator: RelativePath.slash) {
                let name = String(Substring(name))
                position = RelativePath.join(position, name)
                let handle: DirectoryHandle
                do {
                    handle = try open[open.count - 1].handle.directory(name)
                } catch .notDirectory {
                    throw .inTheWay(open[open.count - 1].handle.path(of: name))
                }
                open.append((position, handle))
            }
            return open[open.count - 1].handle
        }

        private mutating func nextTemporaryName() -> String {
            temporaryCount += 1
            return ".swarmlet-\(getpid())-\(temporaryCount).partial"
        }

        static func failure(_ path: String, _ operation: String) -> TransferError {
            .disk(path: path, operation: operation, reason: errorText(errno))
        }
    }
}
