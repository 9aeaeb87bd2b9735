import Codec
import Scheduler
import Store

/// `history.db`: the finished jobs that have left the replicated state, in the order they left. Blocking; confined to its
/// thread.
///
/// Rows and `applied_index`, the log index up to which all of them are here, are written in one transaction. A job has a
/// number of its own, so one that comes again (from the log after a crash, from a peer) is there once. What is sealed, a
/// run of jobs cut by a rule that depends on nothing but their bytes, has the same digest at every member.
final class HistoryStore {
    /// A run of jobs, as bytes that are the same everywhere.
    struct Part {
        var first: UInt64
        var last: UInt64
        var bytes: [UInt8]
    }

    /// A part ends with this many jobs, or before, when it has this many bytes.
    static let partJobsMax = 256
    static let partBytesMax = 4 << 20

    /// The log index up to which every job that left is in here, or was skipped with a gap before it.
    private(set) var appliedIndex: UInt64
    /// Every job up to this number is here.
    private(set) var completeThrough: UInt64
    /// The last number of the last sealed part.
    private(set) var sealedThrough: UInt64
    /// The epoch of the mesh that the jobs belong to: how often it was recovered.
    private(set) var epoch: UInt64

    /// Bytes behind the sealed parts, at least; looked at before a whole part is read.
    private var unsealedBytes = HistoryStore.partBytesMax

    private let database: Database
    private let insertJob: Statement
    private let insertTasks: Statement
    private let setMeta: Statement
    private static let version: Int32 = 1

    init(path: String) throws(StoreError) {
        database = try Database(path: path, create: true)
        let version = try database.schemaVersion()
        guard version == 0 || version == Int64(Self.version) else {
            throw .damaged("history.db has version \(version), this swarmlet knows \(Self.version)")
        }
        if version == 0 { try Self.makeTables(database) }
        insertJob = try database.prepare("INSERT OR IGNORE INTO job VALUES(?, ?, ?)")
        insertTasks = try database.prepare("INSERT OR IGNORE INTO task VALUES(?, ?, ?)")
        setMeta = try database.prepare("REPLACE INTO meta VALUES(1, ?, ?, ?)")
        let meta = try database.prepare("SELECT applied_index, complete_through, epoch FROM meta")
        let isNew = try !meta.step()
        appliedIndex = isNew ? 0 : UInt64(clamping: meta.integer(0))
        completeThrough = isNew ? 0 : UInt64(clamping: meta.integer(1))
        epoch = isNew ? 0 : UInt64(clamping: meta.integer(2))
        meta.reset()
        sealedThrough = try Self.sealedThrough(database)
    }

    private static func makeTables(_ database: Database) throws(StoreError) {
        try database.transaction { () throws(StoreError) in
            try database.execute(
                """
                CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK (id = 1), applied_index INTEGER NOT NULL,
                    complete_through INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT;
                CREATE TABLE job(number INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, content BLOB NOT NULL) STRICT;
                CREATE TABLE task(number INTEGER NOT NULL, record INTEGER NOT NULL, content BLOB NOT NULL,
                    PRIMARY KEY (number, record)) STRICT, WITHOUT ROWID;
                CREATE TABLE part(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
                """)
            try database.setSchemaVersion(version)
        }
    }

    // MARK: Writing

    /// Makes the jobs durable, and that all those of entries up to `index` are here. One transaction.
    func write(_ jobs: [ArchivedJob], upTo index: UInt64) throws(StoreError) {
        try insert(jobs.map { ($0.number, $0.id, Array($0.records)) }, upTo: max(index, appliedIndex))
    }

    /// Takes jobs that a peer has sent, each as its records: those from number `first` on, at most to `last`.
    func take(_ jobs: [[[UInt8]]], from first: UInt64, through last: UInt64) throws {
        var rows: [Row] = []
        for records in jobs {
            let job = try ArchivedJob(records: records)
            guard Array(job.records) == records else { throw CodecError.invalid("a job that reads back differently") }
            guard job.number == first + UInt64(rows.count), job.number <= last else {
                throw CodecError.invalid("a job that was not asked for")
            }
            rows.append((job.number, job.id, records))
        }
        try insert(rows, upTo: appliedIndex)
    }

    private typealias Row = (number: UInt64, id: JobID, records: [[UInt8]])

    private func insert(_ jobs: [Row], upTo index: UInt64) throws(StoreError) {
        let before = (completeThrough, sealedThrough)
        do {
            try database.transaction { () throws(StoreError) in
                for job in jobs { try insert(job.number, job.id, job.records) }
                completeThrough = try firstGap() - 1
                try write(appliedIndex: index, completeThrough, epoch: epoch)
                while try seal() {}
            }
        } catch {
            (completeThrough, sealedThrough) = before
            throw error
        }
        appliedIndex = index
    }

    private func write(appliedIndex: UInt64, _ completeThrough: UInt64, epoch: UInt64) throws(StoreError) {
        setMeta.bind(1, Int64(appliedIndex))
        setMeta.bind(2, Int64(completeThrough))
        setMeta.bind(3, Int64(epoch))
        try setMeta.run()
    }

    /// The mesh was recovered from one node: jobs that left it on what does not count any more are forgotten.
    ///
    /// - Parameter count: the last number that is still what it was.
    func enter(_ epoch: UInt64, keepingThrough count: UInt64) throws(StoreError) {
        guard epoch > self.epoch else { return }
        let kept = min(completeThrough, count)
        let bound = Int64(clamping: count)
        try database.transaction { () throws(StoreError) in
            for table in ["job WHERE number", "task WHERE number", "part WHERE last"] {
                let statement = try database.prepare("DELETE FROM \(table) > ?")
                statement.bind(1, bound)
                try statement.run()
            }
            // The entries count from anew.
            try write(appliedIndex: 0, kept, epoch: epoch)
        }
        self.epoch = epoch
        appliedIndex = 0
        completeThrough = kept
        sealedThrough = try Self.sealedThrough(database)
        unsealedBytes = Self.partBytesMax
    }

    private static func sealedThrough(_ database: Database) throws(StoreError) -> UInt64 {
        let sealed = try database.prepare("SELECT coalesce(max(last), 0) FROM part")
        defer { sealed.reset() }
        return try sealed.step() ? UInt64(clamping: sealed.integer(0)) : 0
    }

    private func insert(_ number: UInt64, _ id: JobID, _ records: [[UInt8]]) throws(StoreError) {
        unsealedBytes += records.reduce(0) { $0 + $1.count }
        insertJob.bind(1, Int64(number))
        insertJob.bind(2, Int64(id))
        insertJob.bind(3, records.first ?? [])
        try insertJob.run()
        for (index, record) in records.dropFirst().enumerated() {
            insertTasks.bind(1, Int64(number))
            insertTasks.bind(2, Int64(index))
            insertTasks.bind(3, record)
            try insertTasks.run()
        }
    }

    private func firstGap() throws(StoreError) -> UInt64 {
        var next = completeThrough + 1
        let rows = try database.prepare("SELECT number FROM job WHERE number >= ? ORDER BY number")
        rows.bind(1, Int64(next))
        while try rows.step(), UInt64(clamping: rows.integer(0)) == next { next += 1 }
        rows.reset()
        return next
    }

    // MARK: Parts

    private func seal() throws(StoreError) -> Bool {
        guard completeThrough - sealedThrough >= UInt64(Self.partJobsMax) || unsealedBytes >= Self.partBytesMax,
            let part = try part(from: sealedThrough + 1)
        else { return false }
        guard part.isFull else {
            unsealedBytes = part.part.bytes.count
            return false
        }
        let statement = try database.prepare("REPLACE INTO part VALUES(?, ?, ?)")
        statement.bind(1, Int64(part.part.first))
        statement.bind(2, Int64(part.part.last))
        statement.bind(3, BLAKE3.hash(part.part.bytes).bytes)
        try statement.run()
        sealedThrough = part.part.last
        return true
    }

    /// The part that begins with this job, sealed or, behind the sealed ones, as far as it has come; nil where the job
    /// is not here.
    ///
    /// - Throws: `.damaged` where a sealed part is not what it was.
    func part(beginningAt first: UInt64) throws(StoreError) -> Part? {
        guard let part = try part(from: first)?.part else { return nil }
        let sealed = try database.prepare("SELECT last, digest FROM part WHERE first = ?")
        sealed.bind(1, Int64(first))
        defer { sealed.reset() }
        if try sealed.step() {
            guard UInt64(clamping: sealed.integer(0)) == part.last,
                sealed.bytes(1) == BLAKE3.hash(part.bytes).bytes
            else { throw .damaged("the jobs from number \(first) on are not what they were when they were sealed") }
        }
        return part
    }

    private func part(from first: UInt64) throws(StoreError) -> (part: Part, isFull: Bool)? {
        var part = Part(first: first, last: first, bytes: [])
        var jobs = 0
        let rows = try database.prepare("SELECT number, content FROM job WHERE number BETWEEN ? AND ? ORDER BY number")
        rows.bind(1, Int64(first))
        rows.bind(2, Int64(completeThrough))
        defer { rows.reset() }
        while jobs < Self.partJobsMax, part.bytes.count < Self.partBytesMax, try rows.step() {
            part.last = UInt64(clamping: rows.integer(0))
            part.bytes += rows.bytes(1)
            for record in try taskRecords(part.last, limit: .max) { part.bytes += record }
            jobs += 1
        }
        guard jobs > 0 else { return nil }
        return (part, jobs >= Self.partJobsMax || part.bytes.count >= Self.partBytesMax)
    }

    /// First and last job and digest of each sealed part, in order.
    func sealedParts() throws(StoreError) -> [(first: UInt64, last: UInt64, digest: [UInt8])] {
        let rows = try database.prepare("SELECT first, last, digest FROM part ORDER BY first")
        defer { rows.reset() }
        var parts: [(UInt64, UInt64, [UInt8])] = []
        while try rows.step() {
            parts.append((UInt64(clamping: rows.integer(0)), UInt64(clamping: rows.integer(1)), rows.bytes(2)))
        }
        return parts
    }

    // MARK: Reading

    private func taskRecords(_ number: UInt64, limit: Int) throws(StoreError) -> [[UInt8]] {
        let rows = try database.prepare("SELECT content FROM task WHERE number = ? ORDER BY record LIMIT ?")
        rows.bind(1, Int64(number))
        rows.bind(2, Int64(limit))
        defer { rows.reset() }
        var records: [[UInt8]] = []
        while try rows.step() { records.append(rows.bytes(0)) }
        return records
    }

    /// The job of this id, whole; nil where it is not here.
    func job(_ id: JobID) throws -> ArchivedJob? {
        let row = try database.prepare("SELECT number, content FROM job WHERE id = ?")
        row.bind(1, Int64(clamping: id))
        defer { row.reset() }
        guard try row.step() else { return nil }
        let records = try taskRecords(UInt64(clamping: row.integer(0)), limit: .max)
        return try ArchivedJob(records: [row.bytes(1)] + records)
    }

    /// When the job of this id ended; nil where it is not here.
    func endedAt(_ id: JobID) throws -> Int64? {
        let row = try database.prepare("SELECT content FROM job WHERE id = ?")
        row.bind(1, Int64(clamping: id))
        defer { row.reset() }
        return try row.step() ? try ArchivedJob(records: [row.bytes(0)]).record.endedAt : nil
    }

    /// The jobs that left last, of each as many tasks as a table of jobs looks at; newest first.
    func newest(limit: Int) throws -> [ArchivedJob] {
        let rows = try database.prepare("SELECT number, content FROM job ORDER BY number DESC LIMIT ?")
        rows.bind(1, Int64(limit))
        defer { rows.reset() }
        var jobs: [ArchivedJob] = []
        while try rows.step() {
            let tasks = try taskRecords(UInt64(clamping: rows.integer(0)), limit: 4)
            jobs.append(try ArchivedJob(records: [rows.bytes(1)] + tasks))
        }
        return jobs
    }

    /// How many jobs are here.
    func count() throws(StoreError) -> Int {
        let row = try database.prepare("SELECT count(*) FROM job")
        defer { row.reset() }
        return try row.step() ? Int(row.integer(0)) : 0
    }

    func close() { database.close() }
}
