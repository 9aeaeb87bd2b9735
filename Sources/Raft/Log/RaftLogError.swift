import Glibc
import Store

/// Why the log on disk cannot be used. After one of these the node must not go on as a voter.
public enum RaftLogError: Error, Hashable, Sendable {
    /// The database refused or failed.
    case store(StoreError)
    /// The mark file beside the database failed; `systemError` is errno.
    case markFailed(path: String, systemError: Int32)
    /// The database was written by a version of swarmlet that this one does not know.
    case unknownVersion(path: String, found: Int64, known: Int64)
    /// A file of a snapshot could not be read or written; `systemError` is errno.
    case snapshotFailed(path: String, systemError: Int32)
    /// A file of a snapshot is missing or is not what was written.
    case snapshotDamaged(path: String)
    /// A snapshot is what was written, but not what this version can read.
    case snapshotUnreadable(String)
    /// A write failed before, so nothing may be written after it.
    case stopped

    /// Stable name of the case.
    public var code: String {
        switch self {
        case .store(let error): "raft.log.\(error.code)"
        case .markFailed: "raft.log.mark_failed"
        case .unknownVersion: "raft.log.unknown_version"
        case .snapshotFailed: "raft.log.snapshot_failed"
        case .snapshotDamaged: "raft.log.snapshot_damaged"
        case .snapshotUnreadable: "raft.log.snapshot_unreadable"
        case .stopped: "raft.log.stopped"
        }
    }

    /// The file system that holds the log is full.
    public var isDiskFull: Bool {
        switch self {
        case .store(.diskFull), .markFailed(_, ENOSPC), .markFailed(_, EDQUOT), .snapshotFailed(_, ENOSPC),
            .snapshotFailed(_, EDQUOT):
            true
        default: false
        }
    }

    /// What happened, as a sentence.
    public var message: String {
        switch self {
        case .store(let error): "the log of the mesh cannot be used: \(error.message)"
        case .markFailed(let path, let systemError): "the disk failed at \(path) (errno \(systemError))"
        case .unknownVersion(let path, let found, let known):
            "\(path) has format \(found), and this version of swarmlet reads format \(known)"
        case .snapshotFailed(let path, let systemError): "the disk failed at \(path) (errno \(systemError))"
        case .snapshotDamaged(let path): "the snapshot \(path) is not what was written"
        case .snapshotUnreadable(let reason): "the snapshot of the mesh's state cannot be read: \(reason)"
        case .stopped: "an earlier write to the log of the mesh failed"
        }
    }

    /// What to do about it.
    public var hint: String {
        switch self {
        case .store(let error): error.hint
        case .markFailed: "check the disk of this node, then start it again"
        case .snapshotFailed(_, ENOSPC), .snapshotFailed(_, EDQUOT):
            "free some space on the file system that holds the data directory"
        case .snapshotFailed: "check the disk of this node"
        case .snapshotDamaged: "nothing: the node makes or fetches another"
        case .unknownVersion(_, let found, let known) where found < known:
            "start the version of swarmlet that wrote it, leave the mesh with that, and join again with this one"
        case .unknownVersion, .snapshotUnreadable: "start the version of swarmlet that wrote it, or a newer one"
        case .stopped: "check the disk of this node, then start it again"
        }
    }
}
