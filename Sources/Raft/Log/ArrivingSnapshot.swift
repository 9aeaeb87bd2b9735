import Codec
import Glibc

/// A leader's snapshot on its way into its file. It goes on where it stopped, also after this daemon was started anew.
final class ArrivingSnapshot {
    let snapshot: RaftSnapshot
    /// Everything before it is in the file.
    private(set) var nextOffset: UInt64 = 0
    private let file: SnapshotFile
    private var digest = BLAKE3()
    private var unsynced = 0

    /// Goes on with the pieces that are in the file and are what their hashes say.
    init(_ snapshot: RaftSnapshot, path: String) throws(RaftLogError) {
        self.snapshot = snapshot
        file = try SnapshotFile(path: path, O_RDWR | O_CREAT)
        while nextOffset < snapshot.byteCount,
            let piece = try SnapshotFiles.readPiece(of: snapshot, at: nextOffset, file)
        {
            take(piece)
        }
        try file.truncate(to: position)
    }

    private var position: UInt64 {
        nextOffset + SnapshotFormat.pieceCount(byteCount: nextOffset) * UInt64(Digest.byteCount)
    }

    /// Adds the next piece; any other is left out. True once all is there, is what it should be and is durable.
    func store(_ piece: RaftSnapshotPiece) throws(RaftLogError) -> Bool {
        if piece.offset == nextOffset, nextOffset < snapshot.byteCount {
            guard piece.data.count == SnapshotFormat.pieceBytes(at: nextOffset, of: snapshot),
                BLAKE3.hash(piece.data) == piece.digest
            else { return false }
            try file.write(piece.digest.bytes, at: position)
            try file.write(piece.data, at: position + UInt64(Digest.byteCount))
            take(piece)
            unsynced += piece.data.count
        }
        if unsynced >= SnapshotFormat.unsyncedBytes || nextOffset == snapshot.byteCount {
            try file.sync()
            unsynced = 0
        }
        guard nextOffset == snapshot.byteCount else { return false }
        if digest.finalize() == snapshot.digest { return true }
        // Each piece is what its hash says, and still they are not this snapshot.
        try file.truncate(to: 0)
        nextOffset = 0
        digest = BLAKE3()
        return false
    }

    private func take(_ piece: RaftSnapshotPiece) {
        digest.update(piece.digest.bytes)
        nextOffset += UInt64(piece.data.count)
    }
}
