import Codec
import Glibc

/// A snapshot of this node of which pieces are sent to others.
final class OutgoingSnapshot {
    let snapshot: RaftSnapshot
    private let file: SnapshotFile

    /// Checks size and digest, so that no follower is led through a transfer that must fail at its end.
    init(_ snapshot: RaftSnapshot, path: String) throws(RaftLogError) {
        self.snapshot = snapshot
        do throws(RaftLogError) {
            file = try SnapshotFile(path: path, O_RDONLY)
        } catch {
            if case .snapshotFailed(_, ENOENT) = error { throw .snapshotDamaged(path: path) }
            throw error
        }
        guard try file.byteCount() == SnapshotFormat.fileBytes(of: snapshot) else {
            throw .snapshotDamaged(path: path)
        }
        var digest = BLAKE3()
        for piece in 0..<SnapshotFormat.pieceCount(byteCount: snapshot.byteCount) {
            let position = piece * UInt64(SnapshotFormat.recordBytes)
            digest.update(try file.read(Digest.byteCount, at: position))
        }
        guard digest.finalize() == snapshot.digest else { throw .snapshotDamaged(path: path) }
    }

    /// The piece that starts at `offset`; one without bytes at the end.
    func piece(at offset: UInt64) throws(RaftLogError) -> RaftSnapshotPiece {
        guard offset < snapshot.byteCount else {
            return RaftSnapshotPiece(
                snapshot: snapshot, offset: snapshot.byteCount, data: [], digest: BLAKE3.hash([]))
        }
        let start = offset - offset % UInt64(RaftSnapshot.pieceBytes)
        let piece: RaftSnapshotPiece?
        do throws(RaftLogError) {
            piece = try SnapshotFiles.readPiece(of: snapshot, at: start, file)
        } catch {
            // A place that cannot be read is as good as one that holds something else.
            throw .snapshotDamaged(path: file.path)
        }
        guard let piece else { throw .snapshotDamaged(path: file.path) }
        return piece
    }
}
