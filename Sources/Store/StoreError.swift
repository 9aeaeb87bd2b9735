import CSQLite
import Glibc

/// Why the database did not do what it was asked.
///
/// After an error of `transaction` nothing of it is in the file. After `diskFull` and `inputOutput` the caller must not
/// count on anything that it had not seen succeed before: a failed write is a fact, never a reason to try again and go on.
public enum StoreError: Error, Hashable, Sendable {
    /// The file system or a quota is full.
    case diskFull(String)
    /// Reading, writing or making durable failed. `systemError` is errno, 0 where SQLite knows none.
    case inputOutput(String, systemError: Int32)
    /// Another process holds the file.
    case busy(String)
    /// The file cannot be opened: missing, a directory, no permission.
    case cannotOpen(path: String, String)
    /// The file may only be read.
    case readOnly(String)
    /// The file is not a database or its content is damaged.
    case damaged(String)
    /// The change would break a rule of the tables.
    case constraint(String)
    /// There is no memory for it, or a value is longer than SQLite takes (1 GB).
    case tooLarge(String)
    /// The statement is wrong, or something else that SQLite reports; `sqliteCode` is its extended result code.
    case failed(String, sqliteCode: Int32)

    /// From what SQLite reports after a call.
    ///
    /// - Parameters:
    ///   - sqliteCode: extended result code.
    ///   - systemError: errno of the last failed system call, 0 where unknown.
    init(sqliteCode: Int32, systemError: Int32, path: String, message: String) {
        switch sqliteCode & 0xFF {
        case SQLITE_FULL: self = .diskFull(message)
        // A write may run into the end of the disk or of a quota below SQLite's own notice of it.
        case SQLITE_IOERR where systemError == ENOSPC || systemError == EDQUOT: self = .diskFull(message)
        case SQLITE_IOERR: self = .inputOutput(message, systemError: systemError)
        case SQLITE_BUSY, SQLITE_LOCKED: self = .busy(message)
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: self = .cannotOpen(path: path, message)
        case SQLITE_READONLY: self = .readOnly(message)
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: self = .damaged(message)
        case SQLITE_CONSTRAINT: self = .constraint(message)
        case SQLITE_NOMEM, SQLITE_TOOBIG: self = .tooLarge(message)
        default: self = .failed(message, sqliteCode: sqliteCode)
        }
    }

    /// Stable name of the error.
    public var code: String {
        switch self {
        case .diskFull: "store.disk_full"
        case .inputOutput: "store.io_error"
        case .busy: "store.busy"
        case .cannotOpen: "store.cannot_open"
        case .readOnly: "store.read_only"
        case .damaged: "store.damaged"
        case .constraint: "store.constraint"
        case .tooLarge: "store.too_large"
        case .failed: "store.failed"
        }
    }

    /// One sentence for a person.
    public var message: String {
        switch self {
        case .diskFull: "the disk is full"
        case .inputOutput(let what, 0): "the disk failed: \(what)"
        case .inputOutput(let what, let systemError): "the disk failed: \(what) (errno \(systemError))"
        case .busy: "another process is using the database"
        case .cannotOpen(let path, let what): "cannot open \(path): \(what)"
        case .readOnly: "the database may only be read"
        case .damaged(let what): "the database is damaged: \(what)"
        case .constraint(let what): "the database refused a change: \(what)"
        case .tooLarge(let what): "the database ran out of room for a value: \(what)"
        case .failed(let what, let sqliteCode): "the database failed: \(what) (sqlite code \(sqliteCode))"
        }
    }

    /// What the person can do about it.
    public var hint: String {
        switch self {
        case .diskFull: "free some space on the file system that holds the state directory, then start again"
        case .inputOutput: "look into the kernel's log for errors of the disk"
        case .busy: "stop the other swarmlet that uses this state directory"
        case .cannotOpen: "check that the state directory exists and belongs to the user who runs swarmlet"
        case .readOnly: "make the file and its directory writable for the user who runs swarmlet"
        case .damaged: "move the file away and join the mesh again, or restore it from a copy"
        case .constraint, .tooLarge, .failed: "please report this with the message"
        }
    }
}
