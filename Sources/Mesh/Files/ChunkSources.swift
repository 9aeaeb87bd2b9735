import Codec

/// Where the chunks of a scanned directory lie, so that only those a receiver lacks are read a second time.
public struct ChunkSources: Sendable {
    private struct Source: Sendable {
        let path: String
        let offset: UInt64
        let count: Int
    }

    private var sources: [Digest: Source] = [:]

    mutating func add(_ digest: Digest, path: String, offset: UInt64, count: Int) {
        if sources[digest] == nil { sources[digest] = Source(path: path, offset: offset, count: count) }
    }

    /// Reads a chunk again. Throws `changed` where the file no longer holds it, `blobMissing` where it was never there.
    public func read(_ digest: Digest) throws(TransferError) -> [UInt8] {
        guard let source = sources[digest] else { throw .blobMissing(digest) }
        let parent = RelativePath.parent(of: source.path)
        let directory = try DirectoryHandle(path: parent.isEmpty ? "/" : parent)
        let content = try directory.file(RelativePath.name(of: source.path))
            .read(offset: source.offset, count: source.count)
        guard BLAKE3.hash(content) == digest else { throw .changed(source.path) }
        return content
    }
}
