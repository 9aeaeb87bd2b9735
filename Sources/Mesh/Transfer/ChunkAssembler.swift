import Codec

/// Puts the parts of chunks that arrive on one stream together and lets only whole, asked-for, true content through.
///
/// It holds at most one chunk. Parts of two chunks never mix on a stream.
public struct ChunkAssembler: Sendable {
    /// What is still missing.
    public private(set) var missing: Set<Digest>
    private var current: Digest?
    private var content: [UInt8] = []

    /// Waits for these chunks.
    public init(missing: [Digest]) { self.missing = Set(missing) }

    /// Whether all has arrived.
    public var isComplete: Bool { missing.isEmpty && current == nil }

    /// Takes one `TransferMessage.chunk`; returns the whole chunk with the last part of it.
    ///
    /// Throws `unexpected` for a part nobody asked for or out of order, `blobDamaged` for content that does not have its
    /// digest; the stream is then to be closed.
    public mutating func accept(
        _ digest: Digest, offset: UInt64, bytes: [UInt8], isLast: Bool
    ) throws(TransferError) -> (digest: Digest, content: [UInt8])? {
        guard missing.contains(digest) else { throw .unexpected("content arrived that was not asked for") }
        guard current == nil || current == digest, offset == UInt64(content.count) else {
            throw .unexpected("parts of content arrived out of order")
        }
        guard content.count + bytes.count <= TransferConstants.chunkBytes else {
            throw .unexpected("a chunk is longer than 4 MiB")
        }
        guard isLast || !bytes.isEmpty else { throw .unexpected("an empty part arrived") }
        current = digest
        content += bytes
        guard isLast else { return nil }
        let whole = content
        content = []
        current = nil
        guard BLAKE3.hash(whole) == digest else { throw .blobDamaged(digest) }
        missing.remove(digest)
        return (digest, whole)
    }
}
