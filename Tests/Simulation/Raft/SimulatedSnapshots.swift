import Codec
import Raft

/// The snapshot files of a simulated disk: whole ones, which are durable, and one that comes in piece by piece, of which a
/// crash takes away a part.
public struct SimulatedSnapshots {
    /// What happened to a piece.
    public enum Arrival: Hashable, Sendable {
        case partly(nextOffset: UInt64)
        case whole
    }

    private var files: [(snapshot: RaftSnapshot, content: [UInt8])] = []
    private var arriving: (snapshot: RaftSnapshot, content: [UInt8])?

    public init() {}

    /// A state has been written and made durable.
    public mutating func add(_ snapshot: RaftSnapshot, _ content: [UInt8]) {
        if self.content(of: snapshot) == nil { files.append((snapshot, content)) }
    }

    /// The bytes of a whole file; nil where there is none.
    public func content(of snapshot: RaftSnapshot) -> [UInt8]? {
        files.first { $0.snapshot == snapshot }?.content
    }

    /// A piece as it is sent; nil where the file is gone.
    public func piece(of snapshot: RaftSnapshot, at offset: UInt64, byteCount: Int) -> RaftSnapshotPiece? {
        guard let content = content(of: snapshot) else { return nil }
        let data = Array(content[Int(offset)..<Int(offset) + byteCount])
        return RaftSnapshotPiece(snapshot: snapshot, offset: offset, data: data, digest: BLAKE3.hash(data))
    }

    /// Takes a piece in, as the real files do.
    ///
    /// - Parameter pieceBytes: as in the core's configuration.
    public mutating func store(_ piece: RaftSnapshotPiece, pieceBytes: Int) -> Arrival {
        let snapshot = piece.snapshot
        if content(of: snapshot) != nil { return .whole }
        var content = arriving?.snapshot == snapshot ? arriving?.content ?? [] : []
        if piece.offset == UInt64(content.count), BLAKE3.hash(piece.data) == piece.digest { content += piece.data }
        arriving = (snapshot, content)
        guard UInt64(content.count) == snapshot.byteCount else {
            return .partly(nextOffset: UInt64(content.count))
        }
        arriving = nil
        let plan = RaftSnapshotPlan(index: snapshot.index, term: snapshot.term, membership: snapshot.membership)
        guard RaftSnapshot(plan, content: content, pieceBytes: pieceBytes) == snapshot else {
            return .partly(nextOffset: 0)
        }
        files.append((snapshot, content))
        return .whole
    }

    /// The log names `snapshot` for good: older ones go.
    mutating func keep(_ snapshot: RaftSnapshot) {
        precondition(content(of: snapshot) != nil, "the log names a snapshot that has no file")
        files.removeAll { $0.snapshot.index <= snapshot.index && $0.snapshot != snapshot }
        if let arriving, arriving.snapshot.index <= snapshot.index { self.arriving = nil }
    }

    /// The machine stops and starts again: of what came in, whole pieces from the beginning may be left.
    mutating func crash(keeping snapshot: RaftSnapshot?, pieceBytes: Int, _ generator: inout SeededGenerator) {
        files.removeAll { $0.snapshot != snapshot }
        guard let (snapshot, content) = arriving else { return }
        let pieces = generator.pick(0...(content.count / pieceBytes))
        arriving = pieces == 0 ? nil : (snapshot, Array(content.prefix(pieces * pieceBytes)))
    }
}
