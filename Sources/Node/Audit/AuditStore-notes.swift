import Codec
import Store
import Tokens

/// What was signed about the log: checkpoints, those that this node has put its name to, and contradictions.
extension AuditStore {
    /// A checkpoint with its signatures.
    struct Signed: Hashable, Sendable {
        var size: UInt64
        var root: Digest
        var note: String
    }

    /// Two signed notes that cannot both be true.
    struct Evidence: Hashable, Sendable {
        /// Nanoseconds since the Unix epoch.
        var at: Int64
        var size: UInt64
        var first: String
        var second: String
    }

    enum Table: String { case checkpoint, signed }

    /// Keeps a note, in place of one about the same size.
    func keep(_ signed: Signed, in table: Table) throws(StoreError) {
        let insert = try database.prepare("REPLACE INTO \(table.rawValue) VALUES(?, ?, ?)")
        insert.bind(1, Int64(clamping: signed.size))
        insert.bind(2, signed.root.bytes)
        insert.bind(3, signed.note)
        let prune = try database.prepare(
            """
            DELETE FROM \(table.rawValue) WHERE size <
                (SELECT size FROM \(table.rawValue) ORDER BY size DESC LIMIT 1 OFFSET \(AuditStore.checkpointsMax))
            """)
        try database.transaction { () throws(StoreError) in
            try insert.run()
            try prune.run()
        }
    }

    /// The newest note; of the size asked for, where one is.
    func signed(in table: Table, size: UInt64? = nil) throws(StoreError) -> Signed? {
        try all(in: table, where: size.map { "size = \($0)" } ?? "true", limit: 1).first
    }

    /// All of them, newest first.
    func checkpoints() throws(StoreError) -> [Signed] {
        try all(in: .checkpoint, where: "true", limit: AuditStore.checkpointsMax)
    }

    private func all(in table: Table, where condition: String, limit: Int) throws(StoreError) -> [Signed] {
        let rows = try database.prepare(
            "SELECT size, root, note FROM \(table.rawValue) WHERE \(condition) ORDER BY size DESC LIMIT \(limit)")
        defer { rows.reset() }
        var found: [Signed] = []
        while try rows.step() {
            guard let root = Digest(bytes: rows.bytes(1)) else { throw .damaged("a checkpoint without a root") }
            found.append(Signed(size: UInt64(clamping: rows.integer(0)), root: root, note: rows.text(2)))
        }
        return found
    }

    /// Kept for good, once.
    func keep(_ evidence: Evidence) throws(StoreError) {
        let insert = try database.prepare(
            """
            INSERT OR IGNORE INTO evidence(at, size, first, second) SELECT ?, ?, ?, ?
                WHERE (SELECT count(*) FROM evidence) < \(AuditStore.evidenceMax)
            """)
        insert.bind(1, evidence.at)
        insert.bind(2, Int64(clamping: evidence.size))
        insert.bind(3, evidence.first)
        insert.bind(4, evidence.second)
        try insert.run()
    }

    /// In the order in which they were seen.
    func evidence() throws(StoreError) -> [Evidence] {
        let rows = try database.prepare("SELECT at, size, first, second FROM evidence ORDER BY id")
        defer { rows.reset() }
        var found: [Evidence] = []
        while try rows.step() {
            found.append(
                Evidence(
                    at: rows.integer(0), size: UInt64(clamping: rows.integer(1)), first: rows.text(2),
                    second: rows.text(3)))
        }
        return found
    }
}
