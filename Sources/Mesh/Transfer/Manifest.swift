import Codec

/// A list of everything in a directory tree, by which the tree can be checked, compared and built again elsewhere.
///
/// Invariants, which every way to make one checks: entries are sorted by the bytes of their paths and unique; each path
/// is relative and plain; the parent of each entry is a directory of the same manifest; no symbolic link leads out of
/// the tree; count and size are bounded.
public struct Manifest: Hashable, Sendable {
    /// A regular file as a list of chunks.
    public struct File: Hashable, Sendable {
        public var byteCount: UInt64
        /// Whether its owner may execute it.
        public var isExecutable: Bool
        /// The digests of its chunks: all of `TransferConstants.chunkBytes` but the last; none for an empty file.
        public var chunks: [Digest]

        public init(byteCount: UInt64, isExecutable: Bool, chunks: [Digest]) {
            self.byteCount = byteCount
            self.isExecutable = isExecutable
            self.chunks = chunks
        }

        /// Stands for the whole content: of a file of one chunk its BLAKE3 digest, of a longer one the BLAKE3 digest of
        /// its chunks' digests one after the other, so that no content is hashed twice.
        public var digest: Digest {
            if chunks.count == 1 { return chunks[0] }
            var hash = BLAKE3()
            for chunk in chunks { hash.update(chunk.bytes) }
            return hash.finalize()
        }

        /// How many bytes the chunk at this index has.
        public func chunkByteCount(at index: Int) -> Int {
            let start = UInt64(index) * UInt64(TransferConstants.chunkBytes)
            return Int(min(byteCount - start, UInt64(TransferConstants.chunkBytes)))
        }

        /// How many chunks a file of this size has.
        static func chunkCount(byteCount: UInt64) -> UInt64 {
            let chunk = UInt64(TransferConstants.chunkBytes)
            return byteCount / chunk + (byteCount % chunk == 0 ? 0 : 1)
        }
    }

    public enum Content: Hashable, Sendable {
        case file(File)
        case directory
        /// What the link says, relative to its own directory.
        case symlink(target: String)
    }

    public struct Entry: Hashable, Sendable {
        /// Below the root, separated by `/`.
        public let path: String
        public let content: Content

        public init(path: String, content: Content) {
            self.path = path
            self.content = content
        }
    }

    /// Sorted by the bytes of their paths.
    public let entries: [Entry]
    /// How many regular files there are.
    public let fileCount: Int
    /// Bytes of all files.
    public let byteCount: UInt64

    /// Checks and sorts the entries. Throws the flaw of the first entry that has one.
    public init(entries: [Entry]) throws(TransferError) {
        try self.init(sorted: entries.sorted { RelativePath.precedes($0.path, $1.path) })
    }

    /// Checks entries that must be sorted already.
    init(sorted entries: [Entry]) throws(TransferError) {
        guard entries.count <= TransferConstants.entryCountMax else { throw .tooManyEntries(entries.count) }
        var directories: Set<String> = [""]
        var links: [String: String] = [:]
        var fileCount = 0
        var byteCount: UInt64 = 0
        var previous: String?
        for entry in entries {
            if let flaw = RelativePath.flaw(of: entry.path) { throw .pathInvalid(entry.path, flaw) }
            if let previous, !RelativePath.precedes(previous, entry.path) { throw .outOfOrder(entry.path) }
            guard directories.contains(RelativePath.parent(of: entry.path)) else { throw .parentMissing(entry.path) }
            switch entry.content {
            case .directory: directories.insert(entry.path)
            case .symlink(let target): links[entry.path] = target
            case .file(let file):
                guard file.byteCount <= TransferConstants.contentBytesMax - byteCount else {
                    throw .tooManyBytes(file.byteCount)
                }
                guard UInt64(file.chunks.count) == File.chunkCount(byteCount: file.byteCount) else {
                    throw .chunksMismatch(entry.path)
                }
                fileCount += 1
                byteCount += file.byteCount
            }
            previous = entry.path
        }
        var scope = SymlinkScope(links: links)
        for entry in entries {
            guard case .symlink(let target) = entry.content else { continue }
            guard try scope.contains(path: entry.path, target: target) else {
                throw .symlinkEscapes(path: entry.path, target: target)
            }
        }
        self.entries = entries
        self.fileCount = fileCount
        self.byteCount = byteCount
    }

    /// The tree without anything in it.
    public static let empty = Manifest()

    private init() {
        entries = []
        fileCount = 0
        byteCount = 0
    }

    /// The BLAKE3 digest of the encoding: equal roots are equal trees.
    public var root: Digest { BLAKE3.hash(encoded()) }

    /// The digests of all chunks, each once, in the order in which files need them.
    public var chunks: [Digest] {
        var seen: Set<Digest> = []
        var chunks: [Digest] = []
        for entry in entries {
            guard case .file(let file) = entry.content else { continue }
            for chunk in file.chunks where seen.insert(chunk).inserted { chunks.append(chunk) }
        }
        return chunks
    }

    /// The entry with exactly this path.
    public func entry(at path: String) -> Entry? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if RelativePath.precedes(entries[middle].path, path) { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].path == path ? entries[low] : nil
    }
}
