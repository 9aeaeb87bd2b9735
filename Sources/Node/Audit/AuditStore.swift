import Codec
import Scheduler
import Store
import Tokens

/// `audit.db`: this node's copy of the log of what happened, all of it, and what was signed about it. Blocking; confined to
/// its thread.
///
/// A row is a line, its number and the hash of its leaf when it came. `frontier` stands for the rows without a gap before
/// them, and moves with them in one transaction; what is behind a gap waits there. Hashes of complete subtrees of 256 and
/// more entries are kept, the others are worked out from the lines: a proof is made from what is here, not from what once was.
final class AuditStore {
    /// Subtrees of `1 << keptLevel` entries and more have their hash in a row.
    static let keptLevel = 8
    /// Signed checkpoints that stay, the newest ones.
    static let checkpointsMax = 1_000
    /// Signed contradictions that stay, the oldest ones: they are what matters.
    static let evidenceMax = 64

    /// The entries that are here without a gap.
    private(set) var frontier: MerkleFrontier
    /// The epoch of the mesh that they belong to: how often it was recovered.
    private(set) var epoch: UInt64

    let database: Database
    private let insertLine: Statement
    private let insertSubtree: Statement
    private let selectSubtree: Statement
    private let selectLines: Statement
    private let setMeta: Statement
    private static let version: Int32 = 1

    init(path: String) throws {
        database = try Database(path: path, create: true)
        let version = try database.schemaVersion()
        guard version == 0 || version == Int64(Self.version) else {
            throw StoreError.damaged("audit.db has version \(version), this swarmlet knows \(Self.version)")
        }
        if version == 0 { try Self.makeTables(database) }
        insertLine = try database.prepare("INSERT OR IGNORE INTO event VALUES(?, ?, ?, ?)")
        insertSubtree = try database.prepare("REPLACE INTO subtree VALUES(?, ?, ?)")
        selectSubtree = try database.prepare("SELECT hash FROM subtree WHERE level = ? AND position = ?")
        selectLines = try database.prepare(
            "SELECT seq, job, leaf, line FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq")
        setMeta = try database.prepare("REPLACE INTO meta VALUES(1, ?, ?)")
        let meta = try database.prepare("SELECT epoch, frontier FROM meta")
        defer { meta.reset() }
        if try meta.step() {
            epoch = UInt64(clamping: meta.integer(0))
            frontier = try MerkleFrontier(encoded: meta.bytes(1))
        } else {
            (epoch, frontier) = (0, MerkleFrontier())
        }
    }

    private static func makeTables(_ database: Database) throws(StoreError) {
        try database.transaction { () throws(StoreError) in
            try database.execute(
                """
                CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL,
                    frontier BLOB NOT NULL) STRICT;
                CREATE TABLE event(seq INTEGER PRIMARY KEY, job INTEGER, leaf BLOB NOT NULL, line BLOB NOT NULL) STRICT;
                CREATE INDEX event_job ON event(job) WHERE job IS NOT NULL;
                CREATE TABLE subtree(level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,
                    PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID;
                CREATE TABLE checkpoint(size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
                CREATE TABLE signed(size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
                CREATE TABLE evidence(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, size INTEGER NOT NULL,
                    first TEXT NOT NULL, second TEXT NOT NULL, UNIQUE (first, second)) STRICT;
                """)
            try database.setSchemaVersion(version)
        }
    }

    func close() { database.close() }

    // MARK: Writing

    /// Makes lines durable: of applied entries, or of a member after they were checked. One that is here already stays.
    func write(_ lines: [AuditLine]) throws {
        let before = frontier
        do {
            try database.transaction { () throws(StoreError) in
                for line in lines where line.sequence >= frontier.size { try insert(line) }
                try closeGap()
                try writeMeta()
            }
        } catch {
            frontier = before
            throw error
        }
    }

    private func insert(_ line: AuditLine) throws(StoreError) {
        let leaf = MerkleHash.leaf(line.bytes)
        insertLine.bind(1, Int64(clamping: line.sequence))
        insertLine.bind(2, line.job.map { Int64(clamping: $0) })
        insertLine.bind(3, leaf.bytes)
        insertLine.bind(4, line.bytes)
        try insertLine.run()
        if line.sequence == frontier.size { try append(leaf) }
    }

    private func append(_ leaf: Digest) throws(StoreError) {
        for (position, hash) in frontier.append(leaf: leaf) where position.level >= AuditStore.keptLevel {
            insertSubtree.bind(1, Int64(position.level))
            insertSubtree.bind(2, Int64(clamping: position.index))
            insertSubtree.bind(3, hash.bytes)
            try insertSubtree.run()
        }
    }

    /// What waited behind a gap counts once that is filled.
    private func closeGap() throws(StoreError) {
        let rows = try database.prepare("SELECT line FROM event WHERE seq = ?")
        while true {
            rows.bind(1, Int64(clamping: frontier.size))
            defer { rows.reset() }
            guard try rows.step() else { return }
            try append(MerkleHash.leaf(rows.bytes(0)))
        }
    }

    private func writeMeta() throws(StoreError) {
        setMeta.bind(1, Int64(clamping: epoch))
        setMeta.bind(2, frontier.encoded())
        try setMeta.run()
    }

    /// The mesh was recovered from one node: what happened on what does not count any more is forgotten.
    ///
    /// - Parameter size: how much of the log is still what it was.
    func enter(_ epoch: UInt64, keeping size: UInt64) throws {
        guard epoch > self.epoch else { return }
        let kept = min(frontier.size, size)
        guard let shorter = MerkleFrontier(size: kept, { subtree($0) }) else {
            throw StoreError.damaged("audit.db lacks some of the first \(kept) entries")
        }
        let before = (self.epoch, frontier)
        (self.epoch, frontier) = (epoch, shorter)
        do {
            try database.transaction { () throws(StoreError) in
                for (table, bound) in [("event WHERE seq", kept), ("checkpoint WHERE size", kept + 1)] {
                    let statement = try database.prepare("DELETE FROM \(table) >= ?")
                    statement.bind(1, Int64(clamping: bound))
                    try statement.run()
                }
                // It is the log of another name: what was signed about that one binds nobody here.
                try database.execute("DELETE FROM signed")
                try database.execute("DELETE FROM checkpoint")
                let subtrees = try database.prepare("DELETE FROM subtree WHERE (position + 1) << level > ?")
                subtrees.bind(1, Int64(clamping: kept))
                try subtrees.run()
                try writeMeta()
            }
        } catch {
            (self.epoch, frontier) = before
            throw error
        }
    }

    // MARK: Reading

    /// A line as it is in the file, with the hash that its leaf had.
    struct Row {
        var line: AuditLine
        var leaf: [UInt8]
    }

    /// Rows from a number on, at most so many and, but for the first, so many bytes.
    func rows(from first: UInt64, limit: Int, bytesMax: Int = .max) throws(StoreError) -> [Row] {
        selectLines.bind(1, Int64(clamping: first))
        selectLines.bind(2, Int64.max)
        defer { selectLines.reset() }
        var rows: [Row] = []
        var bytes = 0
        while rows.count < limit, bytes < bytesMax, try selectLines.step() {
            rows.append(row(of: selectLines))
            bytes += rows[rows.count - 1].line.bytes.count
        }
        return rows
    }

    private func row(of statement: Statement) -> Row {
        Row(
            line: AuditLine(
                sequence: UInt64(clamping: statement.integer(0)),
                job: statement.isNull(1) ? nil : JobID(clamping: statement.integer(1)), bytes: statement.bytes(3)),
            leaf: statement.bytes(2))
    }

    /// The newest rows, newest first, as long as `body` says so.
    func newest(while body: (Row) -> Bool) throws(StoreError) {
        let rows = try database.prepare("SELECT seq, job, leaf, line FROM event WHERE seq < ? ORDER BY seq DESC")
        rows.bind(1, Int64(clamping: frontier.size))
        defer { rows.reset() }
        while try rows.step() {
            guard body(row(of: rows)) else { return }
        }
    }

    /// The event of a job's start: the first that names it.
    func sequence(ofJob job: JobID) throws(StoreError) -> UInt64? {
        let row = try database.prepare("SELECT min(seq) FROM event WHERE job = ?")
        row.bind(1, Int64(clamping: job))
        defer { row.reset() }
        guard try row.step(), !row.isNull(0) else { return nil }
        return UInt64(clamping: row.integer(0))
    }

    /// The hash of a complete subtree, from the lines or from hashes of many of them; nil where one is missing or cannot be
    /// read.
    func subtree(_ position: MerkleHash.Position) -> Digest? {
        guard position.level < 63, (position.index + 1) << UInt64(position.level) <= frontier.size else { return nil }
        do throws(StoreError) {
            if position.level >= AuditStore.keptLevel {
                selectSubtree.bind(1, Int64(position.level))
                selectSubtree.bind(2, Int64(clamping: position.index))
                defer { selectSubtree.reset() }
                return try selectSubtree.step() ? Digest(bytes: selectSubtree.bytes(0)) : nil
            }
            let first = position.index << UInt64(position.level)
            let count = 1 << position.level
            let rows = try rows(from: first, limit: count)
            guard rows.count == count, rows[count - 1].line.sequence == first + UInt64(count) - 1 else { return nil }
            var tree = MerkleFrontier()
            for row in rows { tree.append(leaf: MerkleHash.leaf(row.line.bytes)) }
            return tree.root
        } catch {
            return nil
        }
    }

    func root(size: UInt64) -> Digest? { MerkleProof.root(size: size) { subtree($0) } }
}
