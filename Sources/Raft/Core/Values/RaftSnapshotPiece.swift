import Codec

/// A piece of a snapshot's bytes, as it stands in a file and goes over the wire.
public struct RaftSnapshotPiece: Hashable, Sendable {
    /// What it is a piece of.
    public var snapshot: RaftSnapshot
    /// Where it starts.
    public var offset: UInt64
    public var data: [UInt8]
    /// BLAKE3 of `data`, as the sender has it in its file.
    public var digest: Digest

    public init(snapshot: RaftSnapshot, offset: UInt64, data: [UInt8], digest: Digest) {
        self.snapshot = snapshot
        self.offset = offset
        self.data = data
        self.digest = digest
    }
}
