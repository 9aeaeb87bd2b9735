import Foundation
import Testing

@testable import Store

/// A directory that is removed when the test ends.
final class TemporaryDirectory {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("swarmlet-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { _ = try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

@Suite struct DatabaseTests {
    let directory: TemporaryDirectory
    let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path("test.db")
    }

    func open(_ create: Bool = true) throws -> Database {
        let database = try Database(path: path, create: create)
        try database.execute("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v)")
        return database
    }

    func count(_ database: Database) throws -> Int64 {
        let statement = try database.prepare("SELECT count(*) FROM t")
        _ = try statement.step()
        return statement.integer(0)
    }

    @Test("values come back as they were bound, and empty is not NULL")
    func values() throws {
        let database = try open()
        let insert = try database.prepare("INSERT INTO t (v) VALUES (?)")
        insert.bind(1, Int64.min)
        try insert.run()
        insert.bind(1, [0, 255, 0])
        try insert.run()
        insert.bind(1, [UInt8]())
        try insert.run()
        insert.bind(1, "größer\u{0}x")
        try insert.run()
        insert.bind(1, "")
        try insert.run()
        insert.bindNull(1)
        try insert.run()
        #expect(database.changedRows == 1)
        let select = try database.prepare("SELECT v FROM t ORDER BY k")
        #expect(try select.step())
        #expect(select.integer(0) == .min)
        #expect(try select.step())
        #expect(select.bytes(0) == [0, 255, 0])
        #expect(try select.step())
        #expect(select.bytes(0) == [] && !select.isNull(0))
        #expect(try select.step())
        #expect(select.text(0) == "größer\u{0}x")
        #expect(try select.step())
        #expect(select.text(0) == "" && !select.isNull(0))
        #expect(try select.step())
        #expect(select.isNull(0))
        #expect(try !select.step())
    }

    @Test("the file has a write-ahead log and every commit is made durable")
    func durability() throws {
        let database = try open()
        let mode = try database.prepare("PRAGMA journal_mode")
        #expect(try mode.step())
        #expect(mode.text(0) == "wal")
        let synchronous = try database.prepare("PRAGMA synchronous")
        #expect(try synchronous.step())
        #expect(synchronous.integer(0) == 2)
    }

    @Test("what a transaction wrote is there for another connection and after closing")
    func commit() throws {
        let database = try open()
        try database.transaction { () throws(StoreError) in
            try database.execute("INSERT INTO t VALUES (1, 'a')")
            try database.execute("INSERT INTO t VALUES (2, 'b')")
        }
        #expect(try count(Database(path: path, access: .readOnly)) == 2)
        try database.setSchemaVersion(7)
        database.close()
        let again = try Database(path: path, create: false)
        #expect(try count(again) == 2)
        #expect(try again.schemaVersion() == 7)
    }

    @Test("a transaction that throws leaves nothing behind, and the next one works")
    func rollback() throws {
        let database = try open()
        #expect(throws: StoreError.self) {
            try database.transaction { () throws(StoreError) in
                try database.execute("INSERT INTO t VALUES (1, 'a')")
                try database.execute("INSERT INTO t VALUES (1, 'again')")
            }
        }
        #expect(try count(database) == 0)
        try database.transaction { () throws(StoreError) in try database.execute("INSERT INTO t VALUES (3, 'c')") }
        #expect(try count(database) == 1)
    }

    @Test("a full disk is told as such, and nothing of the transaction stays")
    func diskFull() throws {
        let database = try open()
        try database.execute("PRAGMA max_page_count=4")
        let insert = try database.prepare("INSERT INTO t (v) VALUES (?)")
        insert.bind(1, [UInt8](repeating: 1, count: 100_000))
        do {
            try database.transaction { () throws(StoreError) in try insert.run() }
            Issue.record("100 kB fitted into 4 pages")
        } catch .diskFull {
            #expect(try count(database) == 0)
        } catch { Issue.record("\(error)") }
    }

    @Test("a second writer is told that the file is busy")
    func busy() throws {
        let first = try open()
        let second = try open()
        try first.execute("BEGIN IMMEDIATE")
        do {
            try second.transaction { () throws(StoreError) in }
            Issue.record("two writers at once")
        } catch { #expect(error.code == "store.busy") }
        try first.execute("COMMIT")
        try second.transaction { () throws(StoreError) in try second.execute("INSERT INTO t VALUES (1, 1)") }
    }

    func codeOfOpening(_ path: String, create: Bool = true) -> String {
        do {
            try Database(path: path, create: create).close()
            return "opened"
        } catch { return error.code }
    }

    @Test("a missing file, a directory and a file that is no database are refused with their own names")
    func opening() throws {
        #expect(codeOfOpening(path, create: false) == "store.cannot_open")
        #expect(codeOfOpening(directory.url.path) == "store.cannot_open")
        #expect(codeOfOpening(directory.path("missing/test.db")) == "store.cannot_open")
        let garbage = directory.path("garbage.db")
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: garbage))
        #expect(codeOfOpening(garbage) == "store.damaged")
    }

    @Test("a reader cannot write")
    func readOnly() throws {
        _ = try open()
        let reader = try Database(path: path, access: .readOnly)
        do {
            try reader.execute("INSERT INTO t VALUES (1, 1)")
            Issue.record("a reader wrote")
        } catch { #expect(error.code == "store.read_only") }
    }

    @Test("a broken rule and a wrong statement are told apart")
    func statementErrors() throws {
        let database = try open()
        let insert = try database.prepare("INSERT INTO t VALUES (1, 1)")
        try insert.run()
        do {
            try insert.run()
            Issue.record("a key twice")
        } catch { #expect(error.code == "store.constraint") }
        do {
            _ = try database.prepare("SELEKT 1")
            Issue.record("nonsense compiled")
        } catch { #expect(error.code == "store.failed") }
        do {
            _ = try database.prepare("  ")
            Issue.record("nothing compiled")
        } catch { #expect(error.code == "store.failed") }
    }

    @Test("errors of the disk keep errno, and a full quota counts as a full disk")
    func systemErrors() {
        // SQLITE_IOERR_FSYNC and SQLITE_IOERR_WRITE.
        let sync = StoreError(sqliteCode: 1034, systemError: EIO, path: "x", message: "disk I/O error")
        #expect(sync == .inputOutput("disk I/O error", systemError: EIO))
        #expect(sync.message == "the disk failed: disk I/O error (errno 5)")
        for number in [ENOSPC, EDQUOT] {
            let write = StoreError(sqliteCode: 778, systemError: number, path: "x", message: "disk I/O error")
            #expect(write.code == "store.disk_full")
        }
    }

    @Test("a statement outlives the closing of its database")
    func closing() throws {
        let database = try open()
        try database.execute("INSERT INTO t VALUES (1, 1)")
        let select = try database.prepare("SELECT k FROM t")
        database.close()
        #expect(try select.step())
        #expect(select.integer(0) == 1)
    }

    @Test("a checkpoint empties the log")
    func checkpoint() throws {
        let database = try open()
        try database.execute("INSERT INTO t VALUES (1, zeroblob(100000))")
        let log = path + "-wal"
        let before = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int
        #expect((before ?? 0) > 100_000)
        try database.checkpoint()
        let after = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int
        #expect(after == 0)
    }
}
