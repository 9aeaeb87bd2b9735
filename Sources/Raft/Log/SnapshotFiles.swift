import Codec
import Glibc

/// The files of snapshots beside `raft.db`: hands out pieces of the node's own and takes in those of its leader's.
///
/// Confined to the log's thread. `SnapshotWriter` may write a new one at the same time, under a name that this leaves alone.
final class SnapshotFiles {
    private let directory: String
    private var outgoing: OutgoingSnapshot?
    private var arriving: ArrivingSnapshot?

    static func directory(ofLog log: String) -> String { log + "/snapshots" }

    init(log: String) throws(RaftLogError) {
        directory = Self.directory(ofLog: log)
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw .snapshotFailed(path: directory, systemError: errno)
        }
    }

    // MARK: Sending

    /// The piece that starts at `offset`, checked; one without bytes at the end.
    func piece(of snapshot: RaftSnapshot, at offset: UInt64) throws(RaftLogError) -> RaftSnapshotPiece {
        if outgoing?.snapshot != snapshot {
            outgoing = nil
            outgoing = try OutgoingSnapshot(snapshot, path: path(of: snapshot))
        }
        guard let outgoing else { preconditionFailure("an outgoing snapshot has just been opened") }
        return try outgoing.piece(at: offset)
    }

    // MARK: Receiving

    func store(_ piece: RaftSnapshotPiece) throws(RaftLogError) -> RaftSnapshotArrival {
        let snapshot = piece.snapshot
        let path = path(of: snapshot)
        if access(path, F_OK) == 0 { return .whole }
        if arriving?.snapshot != snapshot {
            arriving = nil
            // What came of others is of no use any more.
            try remove { _, isWhole, name in
                !isWhole && self.directory + "/" + name != path + SnapshotFormat.arrivingSuffix
            }
            arriving = try ArrivingSnapshot(snapshot, path: path + SnapshotFormat.arrivingSuffix)
        }
        guard let arriving else { preconditionFailure("an arriving snapshot has just been opened") }
        guard try arriving.store(piece) else { return .partly(nextOffset: arriving.nextOffset) }
        self.arriving = nil
        try SnapshotFile.publish(path + SnapshotFormat.arrivingSuffix, as: path, in: directory)
        return .whole
    }

    // MARK: Keeping

    /// True where the file is there and has the right size; the bytes are checked when they are read.
    func holds(_ snapshot: RaftSnapshot) -> Bool {
        var status = stat()
        return stat(path(of: snapshot), &status) == 0
            && UInt64(status.st_size) == SnapshotFormat.fileBytes(of: snapshot)
    }

    /// Forgets what `snapshot`, which is in the log for good, takes the place of. A newer file may be on its way there.
    func keep(_ snapshot: RaftSnapshot) throws(RaftLogError) {
        let kept = SnapshotFormat.name(of: snapshot)
        if outgoing?.snapshot != snapshot { outgoing = nil }
        if let index = arriving?.snapshot.index, index <= snapshot.index { arriving = nil }
        try remove { index, _, name in index <= snapshot.index && name != kept }
    }

    /// At start: forgets all but `snapshot` and what has come in after it, where a transfer goes on.
    func clean(keeping snapshot: RaftSnapshot?) throws(RaftLogError) {
        let kept = snapshot.map(SnapshotFormat.name(of:))
        let floor = snapshot?.index ?? 0
        try remove { index, isWhole, name in name != kept && (isWhole || index <= floor) }
        let taking = directory + "/" + SnapshotFormat.takingName
        guard unlink(taking) == 0 || errno == ENOENT else {
            throw .snapshotFailed(path: taking, systemError: errno)
        }
    }

    private func path(of snapshot: RaftSnapshot) -> String { directory + "/" + SnapshotFormat.name(of: snapshot) }

    private func remove(_ isUseless: (_ index: UInt64, _ isWhole: Bool, _ name: String) -> Bool) throws(RaftLogError) {
        for name in try names() {
            guard let (index, isWhole) = SnapshotFormat.parse(name), isUseless(index, isWhole, name) else { continue }
            guard unlink(directory + "/" + name) == 0 || errno == ENOENT else {
                throw .snapshotFailed(path: directory + "/" + name, systemError: errno)
            }
        }
    }

    private func names() throws(RaftLogError) -> [String] {
        guard let listing = opendir(directory) else { throw .snapshotFailed(path: directory, systemError: errno) }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
                })
        }
        return names.sorted()
    }

    /// One record of a file; nil where it is not what was written.
    static func readPiece(
        of snapshot: RaftSnapshot, at offset: UInt64, _ file: borrowing SnapshotFile
    ) throws(RaftLogError) -> RaftSnapshotPiece? {
        let count = SnapshotFormat.pieceBytes(at: offset, of: snapshot)
        let position = SnapshotFormat.position(ofPieceAt: offset)
        let hash = try file.read(Digest.byteCount, at: position)
        let data = try file.read(count, at: position + UInt64(Digest.byteCount))
        guard data.count == count, let digest = Digest(bytes: hash), BLAKE3.hash(data) == digest else { return nil }
        return RaftSnapshotPiece(snapshot: snapshot, offset: offset, data: data, digest: digest)
    }
}
