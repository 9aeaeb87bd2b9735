import Glibc
import Store

/// The files of `raft.db`: opening them, and putting aside what cannot be used.
enum LogDatabase {
    private static let version: Int32 = 3
    /// The write-ahead log is cut to this size whenever it begins anew.
    private static let logBytesMax = 16 << 20

    private static func path(_ directory: String) -> String { directory + "/raft.db" }

    /// Opens or makes the database.
    static func open(_ directory: String) throws(RaftLogError) -> (Database, Statements) {
        try open(file: path(directory))
    }

    private static func open(file: String) throws(RaftLogError) -> (Database, Statements) {
        do {
            let database = try Database(path: file, create: true)
            let found = try database.schemaVersion()
            guard found == 0 || found == version else {
                throw RaftLogError.unknownVersion(path: file, found: found, known: Int64(version))
            }
            if found == 0 { try makeTables(database) }
            let limit = try database.prepare("PRAGMA journal_size_limit=\(logBytesMax)")
            _ = try limit.step()
            limit.reset()
            database.moveLogByHand()
            return (database, try Statements(database))
        } catch let error as StoreError {
            throw .store(error)
        } catch let error as RaftLogError {
            throw error
        } catch {
            preconditionFailure("an error of another type: \(error)")
        }
    }

    private static func makeTables(_ database: Database) throws(StoreError) {
        try database.transaction { () throws(StoreError) in
            try database.execute(
                """
                CREATE TABLE entry(idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,
                    content BLOB NOT NULL, chain BLOB NOT NULL) STRICT;
                CREATE TABLE state(id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, vote INTEGER,
                    commit_index INTEGER NOT NULL, damage_index INTEGER, damage_term INTEGER, damage_vote INTEGER,
                    sequence INTEGER NOT NULL, last_index INTEGER NOT NULL, state_seal BLOB NOT NULL,
                    log_seal BLOB NOT NULL) STRICT;
                CREATE TABLE base(id INTEGER PRIMARY KEY CHECK (id = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
                    chain BLOB NOT NULL) STRICT;
                CREATE TABLE snapshot(id INTEGER PRIMARY KEY CHECK (id = 1), idx INTEGER NOT NULL,
                    term INTEGER NOT NULL, membership BLOB NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL,
                    seal BLOB NOT NULL) STRICT;
                """)
            try database.setSchemaVersion(version)
        }
    }

    // MARK: Damage

    /// An empty database beside the one in use, until `replace`.
    static func makeFresh(_ directory: String) throws(RaftLogError) -> Database {
        let file = path(directory) + ".new"
        for suffix in ["", "-wal", "-shm"] { try remove(file + suffix) }
        return try open(file: file).0
    }

    /// Keeps the database as `raft.db.damaged` and puts the fresh one in its place. Where this stops half-way, the next
    /// start finds a log that is older than its mark, or none, and judges it as damaged again.
    static func replace(_ directory: String) throws(RaftLogError) {
        try putAside(directory)
        let fresh = path(directory) + ".new"
        for suffix in ["-wal", "-shm"] { try remove(fresh + suffix) }
        guard rename(fresh, path(directory)) == 0 else {
            throw .markFailed(path: path(directory), systemError: errno)
        }
        try SnapshotFile.sync(directory: directory)
    }

    /// Keeps the database as `raft.db.damaged`, in the place of an earlier one.
    static func putAside(_ directory: String) throws(RaftLogError) {
        for suffix in ["-wal", "-shm", ""] {
            let file = path(directory) + suffix
            guard rename(file, path(directory) + ".damaged" + suffix) == 0 || errno == ENOENT else {
                throw .markFailed(path: file, systemError: errno)
            }
        }
        try SnapshotFile.sync(directory: directory)
    }

    private static func remove(_ file: String) throws(RaftLogError) {
        guard unlink(file) == 0 || errno == ENOENT else { throw .markFailed(path: file, systemError: errno) }
    }
}

extension StoreError {
    /// The file is not what SQLite wrote. A statement that does not fit the tables (SQLITE_ERROR) is so, too: they are
    /// ours.
    var isDamage: Bool {
        switch self {
        case .damaged, .failed(_, sqliteCode: 1), .constraint: true
        default: false
        }
    }
}

extension RaftLogError {
    var isDamage: Bool {
        if case .store(let error) = self { return error.isDamage }
        return false
    }
}
