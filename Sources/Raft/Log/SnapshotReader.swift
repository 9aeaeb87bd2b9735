import Codec
import Glibc

/// Reads a whole snapshot in order, checking each piece before it hands it out: memory for one piece is all it takes.
///
/// Blocking, for any one thread at a time.
public final class SnapshotReader {
    /// What is read.
    public let snapshot: RaftSnapshot
    /// Set where the file is missing or is not what was written.
    public private(set) var isDamaged = false
    private let file: SnapshotFile
    private var offset: UInt64 = 0
    private var digest = BLAKE3()

    /// - Parameter log: the directory that `RaftLog` was opened with.
    /// - Throws: `snapshotDamaged` where there is no such file or it has another size.
    public init(_ snapshot: RaftSnapshot, log: String) throws(RaftLogError) {
        self.snapshot = snapshot
        let path = SnapshotFiles.directory(ofLog: log) + "/" + SnapshotFormat.name(of: snapshot)
        do throws(RaftLogError) {
            file = try SnapshotFile(path: path, O_RDONLY)
        } catch {
            if case .snapshotFailed(_, ENOENT) = error { throw .snapshotDamaged(path: path) }
            throw error
        }
        guard try file.byteCount() == SnapshotFormat.fileBytes(of: snapshot) else {
            throw .snapshotDamaged(path: path)
        }
        file.willReadAll()
    }

    /// The next piece; nil at the end, which is reached only where all pieces together are what was written.
    public func next() throws(RaftLogError) -> [UInt8]? {
        guard offset < snapshot.byteCount else {
            guard digest.finalize() == snapshot.digest else { throw damaged() }
            return nil
        }
        let piece: RaftSnapshotPiece?
        do throws(RaftLogError) {
            piece = try SnapshotFiles.readPiece(of: snapshot, at: offset, file)
        } catch {
            // A place that cannot be read is as good as one that holds something else.
            throw damaged()
        }
        guard let piece else { throw damaged() }
        digest.update(piece.digest.bytes)
        offset += UInt64(piece.data.count)
        return piece.data
    }

    /// All of it at once.
    public func readAll() throws(RaftLogError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(snapshot.byteCount))
        while let piece = try next() { bytes += piece }
        return bytes
    }

    private func damaged() -> RaftLogError {
        isDamaged = true
        return .snapshotDamaged(path: file.path)
    }
}
