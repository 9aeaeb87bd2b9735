import Codec
import Glibc

/// Writes this node's own snapshot, piece by piece as its bytes are made: memory for one piece is all it takes.
///
/// Blocking, for any one thread that is neither a loop's nor the log's. The file is written aside and made durable, and
/// gets its name when it is whole; one that was not finished is overwritten by the next.
public final class SnapshotWriter {
    private let directory: String
    private let plan: RaftSnapshotPlan
    private let file: SnapshotFile
    private var piece: [UInt8] = []
    private var position: UInt64 = 0
    private var byteCount: UInt64 = 0
    private var unsynced = 0
    private var digest = BLAKE3()

    /// - Parameter log: the directory that `RaftLog` was opened with.
    public init(_ plan: RaftSnapshotPlan, log: String) throws(RaftLogError) {
        self.plan = plan
        directory = SnapshotFiles.directory(ofLog: log)
        piece.reserveCapacity(RaftSnapshot.pieceBytes)
        file = try SnapshotFile(path: directory + "/" + SnapshotFormat.takingName, O_RDWR | O_CREAT | O_TRUNC)
    }

    /// Adds bytes of the state.
    public func append(_ bytes: [UInt8]) throws(RaftLogError) {
        var rest = bytes[...]
        while piece.count + rest.count >= RaftSnapshot.pieceBytes {
            let taken = RaftSnapshot.pieceBytes - piece.count
            piece += rest.prefix(taken)
            rest = rest.dropFirst(taken)
            try writePiece()
        }
        piece += rest
    }

    /// Makes the file durable under its name and describes it.
    public func finish() throws(RaftLogError) -> RaftSnapshot {
        if !piece.isEmpty { try writePiece() }
        try file.sync()
        let snapshot = RaftSnapshot(
            index: plan.index, term: plan.term, membership: plan.membership, byteCount: byteCount,
            digest: digest.finalize())
        try SnapshotFile.publish(
            file.path, as: directory + "/" + SnapshotFormat.name(of: snapshot), in: directory)
        return snapshot
    }

    private func writePiece() throws(RaftLogError) {
        let hash = BLAKE3.hash(piece).bytes
        digest.update(hash)
        try file.write(hash, at: position)
        try file.write(piece, at: position + UInt64(hash.count))
        position += UInt64(hash.count + piece.count)
        byteCount += UInt64(piece.count)
        unsynced += piece.count
        piece.removeAll(keepingCapacity: true)
        guard unsynced >= SnapshotFormat.unsyncedBytes else { return }
        try file.sync()
        unsynced = 0
    }
}
