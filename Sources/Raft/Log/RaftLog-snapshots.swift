/// Pieces of snapshots between files and the wire.
extension RaftLog {
    /// The piece of the node's own snapshot that starts at `offset`; one without bytes at its end.
    ///
    /// - Throws: `snapshotDamaged` where the file is not what was written. The log itself goes on.
    public func piece(of snapshot: RaftSnapshot, at offset: UInt64) throws(RaftLogError) -> RaftSnapshotPiece {
        try snapshots.piece(of: snapshot, at: offset)
    }

    /// Puts a piece of the leader's snapshot into its file. One that is not the next, or not what its hash says, is left
    /// out; the answer says which is next.
    ///
    /// - Throws: `snapshotFailed` where the file cannot be written. The log itself goes on.
    public func store(_ piece: RaftSnapshotPiece) throws(RaftLogError) -> RaftSnapshotArrival {
        try snapshots.store(piece)
    }
}
