import Codec

/// The replicated state as it was after one entry, standing for the log up to and including it.
///
/// This is its description; the bytes are in a file that the core never sees. They are cut into pieces of
/// `pieceBytes`, the last of which may be shorter, and `digest` is the hash of the pieces' hashes one after the other,
/// so that each piece can be checked by itself and all of them together.
public struct RaftSnapshot: Hashable, Sendable {
    /// The last entry it stands for.
    public var index: UInt64
    /// That entry's term.
    public var term: UInt64
    /// The membership in force at `index`.
    public var membership: RaftMembership
    /// Bytes of the state.
    public var byteCount: UInt64
    /// BLAKE3 of the BLAKE3 hashes of all pieces, in order.
    public var digest: Digest

    /// Bytes of each piece in files and on the wire but the last.
    public static let pieceBytes = 256 << 10

    public init(index: UInt64, term: UInt64, membership: RaftMembership, byteCount: UInt64, digest: Digest) {
        self.index = index
        self.term = term
        self.membership = membership
        self.byteCount = byteCount
        self.digest = digest
    }

    /// The description of a state that is in memory as a whole.
    public init(_ plan: RaftSnapshotPlan, content: [UInt8], pieceBytes: Int = RaftSnapshot.pieceBytes) {
        var digest = BLAKE3()
        for start in stride(from: 0, to: content.count, by: pieceBytes) {
            digest.update(BLAKE3.hash(Array(content[start..<min(start + pieceBytes, content.count)])).bytes)
        }
        self.init(
            index: plan.index, term: plan.term, membership: plan.membership, byteCount: UInt64(content.count),
            digest: digest.finalize())
    }
}
