import CSQLite

/// One SQLite database file with a write-ahead log, made durable at every commit (`synchronous=FULL`).
///
/// Confined to one thread at a time: it has no lock. Every call may block on the disk, so it belongs on a thread of its
/// own, never on a loop.
public final class Database: @unchecked Sendable {
    /// What an opener may do with the file.
    public enum Access: Hashable, Sendable {
        /// Read an existing file.
        case readOnly
        /// Read and write an existing file.
        case existing
        /// Read and write; the file is made where it is missing.
        case create
    }

    /// Where the file is; `:memory:` is a database that vanishes with this object.
    public let path: String
    private var handle: OpaquePointer?
    /// Written by SQLite's thread of control, which is this object's.
    private let pageCount = UnsafeMutablePointer<Int>.allocate(capacity: 1)

    /// Opens a database for reading and writing.
    ///
    /// - Parameter create: make the file where it is missing; its directory must exist.
    public convenience init(path: String, create: Bool) throws(StoreError) {
        try self.init(path: path, access: create ? .create : .existing)
    }

    /// Opens a database.
    public init(path: String, access: Access) throws(StoreError) {
        self.path = path
        pageCount.initialize(to: 0)
        let flags =
            switch access {
            case .readOnly: SQLITE_OPEN_READONLY
            case .existing: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        let result = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard result == SQLITE_OK else {
            let error = failure(result)
            close()
            throw error
        }
        if access != .readOnly {
            try setUp()
        }
    }

    deinit {
        close()
        pageCount.deallocate()
    }

    private func setUp() throws(StoreError) {
        let mode = try prepare("PRAGMA journal_mode=WAL")
        _ = try mode.step()
        let isLogged = mode.text(0) == "wal" || path == ":memory:"
        mode.reset()
        guard isLogged else {
            throw .cannotOpen(path: path, "its file system does not allow a write-ahead log")
        }
        try execute("PRAGMA synchronous=FULL")
    }

    /// Closes the file. Statements that are still alive keep it open until they are gone. Using a closed database is a bug.
    public func close() {
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Runs one or more statements that take no values and give no rows.
    public func execute(_ sql: String) throws(StoreError) {
        let result = sqlite3_exec(open, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw failure(result) }
    }

    /// Compiles one statement, to be run many times.
    public func prepare(_ sql: String) throws(StoreError) -> Statement {
        var statement: OpaquePointer?
        let result = sqlite3_prepare_v3(open, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard result == SQLITE_OK else { throw failure(result) }
        guard let statement else { throw .failed("an empty statement", sqliteCode: SQLITE_MISUSE) }
        return Statement(statement, of: self)
    }

    /// Runs `body` as one unit: when this returns, all of it is durable; when it throws, nothing of it is in the file.
    ///
    /// Transactions do not nest.
    public func transaction<T>(_ body: () throws(StoreError) -> T) throws(StoreError) -> T {
        try execute("BEGIN IMMEDIATE")
        do {
            let value = try body()
            try execute("COMMIT")
            return value
        } catch {
            rollBack()
            throw error
        }
    }

    /// Ends a failed transaction. Some errors (disk full, I/O) have done so already. A rollback that fails as well leaves
    /// the transaction open, and then the next one fails at its start: nothing is written on top of a doubtful state.
    private func rollBack() {
        if sqlite3_get_autocommit(open) == 0 { sqlite3_exec(open, "ROLLBACK", nil, nil, nil) }
    }

    /// How many rows the last statement inserted, changed or deleted.
    public var changedRows: Int { Int(sqlite3_changes64(open)) }

    /// A number in the file's header that its owner may use to tell versions of its tables apart; 0 in a new file.
    public func schemaVersion() throws(StoreError) -> Int64 {
        let statement = try prepare("PRAGMA user_version")
        _ = try statement.step()
        return statement.integer(0)
    }

    /// Sets the number that `schemaVersion` reads. May be part of a transaction.
    public func setSchemaVersion(_ version: Int32) throws(StoreError) {
        try execute("PRAGMA user_version=\(version)")
    }

    /// Moves the write-ahead log into the database file and empties it, as far as readers allow.
    public func checkpoint() throws(StoreError) {
        let result = sqlite3_wal_checkpoint_v2(open, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard result == SQLITE_OK else { throw failure(result) }
    }

    /// From here on the write-ahead log is moved into the file by `checkpoint` and `moveLog` alone. SQLite does it with a
    /// commit now and then and says nothing when that fails, so that the log grows without end.
    public func moveLogByHand() {
        sqlite3_wal_hook(
            open,
            { count, _, _, pages in
                count?.assumingMemoryBound(to: Int.self).pointee = Int(pages)
                return SQLITE_OK
            }, pageCount)
    }

    /// Pages in the write-ahead log, after `moveLogByHand`.
    public var logPages: Int { pageCount.pointee }

    /// Moves the write-ahead log into the database file, as far as readers allow, and keeps its room for what comes next.
    public func moveLog() throws(StoreError) {
        let result = sqlite3_wal_checkpoint_v2(open, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        guard result == SQLITE_OK else { throw failure(result) }
        pageCount.pointee = 0
    }

    private var open: OpaquePointer {
        guard let handle else { preconditionFailure("the database \(path) was used after it was closed") }
        return handle
    }

    /// What SQLite says about the call that returned `result`.
    func failure(_ result: Int32) -> StoreError {
        guard let handle else {
            return StoreError(
                sqliteCode: result, systemError: 0, path: path, message: String(cString: sqlite3_errstr(result)))
        }
        return StoreError(
            sqliteCode: result, systemError: sqlite3_system_errno(handle), path: path,
            message: String(cString: sqlite3_errmsg(handle)))
    }
}
