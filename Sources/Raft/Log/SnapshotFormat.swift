import Codec

/// How a snapshot lies in its file: one record for each piece, the piece's BLAKE3 hash (32 bytes) and then its bytes.
///
/// All pieces but the last have `RaftSnapshot.pieceBytes`. What the file is a snapshot of stands in `raft.db`, and in
/// short in its name, `snapshot-INDEX-TERM-DIGEST` with the first 16 hexadecimal digits of the digest.
enum SnapshotFormat {
    static let recordBytes = Digest.byteCount + RaftSnapshot.pieceBytes
    /// While it is being written by this node; there is one at a time.
    static let takingName = "snapshot.taking"
    /// While it comes in from a leader.
    static let arrivingSuffix = ".part"
    /// So many bytes are written before they are made durable, so that the last wait, and that of the log's own writes
    /// behind these, stays short.
    static let unsyncedBytes = 8 << 20

    static func name(of snapshot: RaftSnapshot) -> String {
        "snapshot-\(snapshot.index)-\(snapshot.term)-\(snapshot.digest.hex.prefix(16))"
    }

    /// The index in a name, and whether it is a whole file; nil where it is not a name of a snapshot.
    static func parse(_ name: String) -> (index: UInt64, isWhole: Bool)? {
        let isWhole = !name.hasSuffix(arrivingSuffix)
        let stem = isWhole ? name[...] : name.dropLast(arrivingSuffix.count)
        let parts = stem.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "snapshot", let index = UInt64(parts[1]) else { return nil }
        return (index, isWhole)
    }

    static func pieceCount(byteCount: UInt64) -> UInt64 {
        let piece = UInt64(RaftSnapshot.pieceBytes)
        return byteCount / piece + (byteCount % piece == 0 ? 0 : 1)
    }

    static func fileBytes(of snapshot: RaftSnapshot) -> UInt64 {
        snapshot.byteCount + pieceCount(byteCount: snapshot.byteCount) * UInt64(Digest.byteCount)
    }

    /// Where the record of the piece that starts at `offset` begins.
    static func position(ofPieceAt offset: UInt64) -> UInt64 {
        offset / UInt64(RaftSnapshot.pieceBytes) * UInt64(recordBytes)
    }

    /// Bytes of the piece that starts at `offset`.
    static func pieceBytes(at offset: UInt64, of snapshot: RaftSnapshot) -> Int {
        Int(min(UInt64(RaftSnapshot.pieceBytes), snapshot.byteCount - offset))
    }
}
