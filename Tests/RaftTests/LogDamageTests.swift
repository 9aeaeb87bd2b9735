import Codec
import Foundation
import Store
import Testing

@testable import Raft

/// What a disk can do to `raft.db` behind SQLite's back, and what the node knows of it.
@Suite final class LogDamageTests {
    private let root: String

    init() throws {
        root = NSTemporaryDirectory() + "log-damage-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: root) } catch { Issue.record("\(error)") }
    }

    private func entries(_ range: ClosedRange<UInt64>, term: UInt64 = 1) -> [RaftEntry] {
        range.map { RaftEntry(index: $0, term: term, payload: .command([UInt8](repeating: UInt8($0), count: 300))) }
    }

    private func directory(_ name: String) throws -> String {
        let path = root + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// The files as a process that was killed leaves them.
    private func files(of directory: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in ["raft.db", "raft.db-wal", "raft.mark"] {
            let url = URL(fileURLWithPath: directory + "/" + name)
            if FileManager.default.fileExists(atPath: url.path) { files[name] = try Data(contentsOf: url) }
        }
        return files
    }

    /// What a node finds that starts from these files.
    private func restored(_ files: [String: Data]) throws -> RaftRestored? {
        let path = try directory("copy-\(UUID().uuidString)")
        for (name, content) in files { try content.write(to: URL(fileURLWithPath: path + "/" + name)) }
        defer { do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record("\(error)") } }
        let found = try RaftLog(directory: path).restore()
        // What it has judged once, it still says at its next start.
        #expect(try RaftLog(directory: path).restore() == found)
        return found
    }

    /// Six transactions, all of them in the write-ahead log, the last with a vote and nothing else.
    private func written(in directory: String) throws -> (log: RaftLog, all: RaftRestored) {
        let log = try RaftLog(directory: directory)
        _ = try log.restore()
        var state = RaftHardState(term: 1, vote: NodeID(2), commitIndex: 1)
        for step in UInt64(0)..<5 {
            try log.persist([
                RaftPersist(token: step, hardState: state, entries: entries((3 * step + 1)...(3 * step + 3)))
            ])
        }
        state = RaftHardState(term: 2, vote: NodeID(3), commitIndex: 9)
        try log.persist([RaftPersist(token: 9, hardState: state)])
        return (log, RaftRestored(hardState: state, entries: entries(1...15)))
    }

    private static let frameHeaderBytes = 24
    private static let pageBytes = 4_096

    @Test("a bit that flips anywhere in the write-ahead log is damage or nothing, never the end of the log")
    func flippedInLog() throws {
        let (log, all) = try written(in: try directory("log"))
        let files = try files(of: root + "/log")
        let wal = try #require(files["raft.db-wal"])
        let frameBytes = Self.frameHeaderBytes + Self.pageBytes
        // Of the log's header: magic, page size, salts, checksum. Of each frame: page number, size of the database, both
        // salts, both checksums, and the page's first, middle and last bytes.
        var offsets = [0, 8, 16, 20, 24, 31]
        for frame in stride(from: 32, to: wal.count, by: frameBytes) {
            offsets += [0, 3, 4, 7, 8, 12, 16, 20, 24, 24 + 5, 24 + 2_000, 24 + 4_000, 24 + 4_095].map { frame + $0 }
        }
        var damaged = 0
        for offset in offsets where offset < wal.count {
            var broken = files
            broken["raft.db-wal"]?[offset] ^= 0x04
            let found = try #require(try restored(broken))
            if found.isDamaged { damaged += 1 }
            #expect(found.isDamaged || found == all, "offset \(offset)")
            #expect(found.entries == Array(all.entries.prefix(found.entries.count)), "offset \(offset)")
            #expect(found.hardState.term == 2 && found.hardState.vote == NodeID(3), "offset \(offset)")
        }
        #expect(damaged > offsets.count * 9 / 10)
        _ = log
    }

    @Test("a bit that flips anywhere in the database is damage or nothing, and the node starts all the same")
    func flippedInDatabase() throws {
        let (log, all) = try written(in: try directory("log"))
        try log.database.checkpoint()
        let files = try files(of: root + "/log")
        let database = try #require(files["raft.db"])
        // Not those that name versions (18, 60, 96): another version is an error, not damage.
        var offsets = [0, 16, 24, 28, 32, 36, 40, 44, 52, 56]
        for page in stride(from: 0, to: database.count, by: Self.pageBytes) {
            offsets += [100, 101, 103, 105, 108, 110, 700, 1_500, 2_900, 3_500, 3_900, 4_060, 4_095].map { page + $0 }
        }
        for offset in offsets where offset < database.count {
            var broken = files
            broken["raft.db"]?[offset] ^= 0x08
            let found = try #require(try restored(broken), "offset \(offset)")
            #expect(found.isDamaged || found == all, "offset \(offset)")
            #expect(found.entries == Array(all.entries.prefix(found.entries.count)), "offset \(offset)")
        }
    }

    @Test("a transaction that was torn before anybody was told of it is not damage")
    func tornTail() throws {
        let (log, all) = try written(in: try directory("log"))
        let before = try files(of: root + "/log")
        let whole = try #require(before["raft.db-wal"]).count
        try log.persist([RaftPersist(token: 10, entries: entries(16...20))])
        var torn = try files(of: root + "/log")
        // The mark follows the log: it does not know of what was not finished.
        torn["raft.mark"] = before["raft.mark"]
        let wal = try #require(torn["raft.db-wal"])
        for length in [whole + 1, whole + 24, whole + 3_000, wal.count - 1] where length < wal.count {
            torn["raft.db-wal"] = wal.prefix(length)
            #expect(try restored(torn) == all)
        }
    }

    @Test("a mark that lags behind the log, as after a loss of power, is not damage")
    func laggingMark() throws {
        let path = try directory("log")
        let log = try RaftLog(directory: path)
        _ = try log.restore()
        let state = RaftHardState(term: 1, vote: NodeID(2), commitIndex: 1)
        try log.persist([RaftPersist(token: 1, hardState: state, entries: entries(1...10))])
        let old = try files(of: path)["raft.mark"]
        // Shorter than the mark says, and rightly so.
        try log.persist([RaftPersist(token: 2, hardState: state, truncateFrom: 4, entries: entries(4...5, term: 2))])
        var files = try files(of: path)
        files["raft.mark"] = old
        let found = try #require(try restored(files))
        #expect(!found.isDamaged)
        #expect(found.entries.count == 5)
    }

    @Test("entries that took the place of others and were lost again are damage, although the log is as long as before")
    func lostReplacement() throws {
        let path = try directory("log")
        let log = try RaftLog(directory: path)
        _ = try log.restore()
        let state = RaftHardState(term: 2, commitIndex: 1)
        try log.persist([RaftPersist(token: 1, hardState: state, entries: entries(1...10))])
        let length = try #require(try files(of: path)["raft.db-wal"]).count
        try log.persist([RaftPersist(token: 2, truncateFrom: 8, entries: entries(8...10, term: 2))])
        var files = try files(of: path)
        files["raft.db-wal"] = files["raft.db-wal"]?.prefix(length)
        let found = try #require(try restored(files))
        #expect(found.isDamaged)
        #expect(found.entries == entries(1...10))
    }

    @Test("a damaged database is kept for analysis, and the log goes on in a new one")
    func keepsDamaged() throws {
        let path = try directory("log")
        do {
            let (log, _) = try written(in: path)
            try log.database.checkpoint()
        }
        let file = URL(fileURLWithPath: path + "/raft.db")
        var content = try Data(contentsOf: file)
        content[0] ^= 1
        try content.write(to: file)
        let log = try RaftLog(directory: path)
        let found = try #require(try log.restore())
        #expect(found.isDamaged)
        #expect(found.hardState.term == 2 && found.hardState.vote == NodeID(3))
        #expect(found.hardState.damage?.index == 15)
        #expect(FileManager.default.fileExists(atPath: path + "/raft.db.damaged"))
        var whole = found.hardState
        whole.damage = nil
        try log.persist([RaftPersist(token: 1, hardState: whole, entries: entries(1...16))])
        #expect(try RaftLog(directory: path).restore() == RaftRestored(hardState: whole, entries: entries(1...16)))
    }

    @Test("a log that is written and compacted for long does not grow")
    func reusesPages() throws {
        let path = try directory("log")
        let log = try RaftLog(directory: path)
        _ = try log.restore()
        var sizes: [Int] = []
        var last: UInt64 = 0
        for round in UInt64(1)...12 {
            var state = RaftHardState(term: 1, commitIndex: last)
            for _ in 0..<10 {
                state.commitIndex = last
                let batch = (last + 1)...(last + 200)
                let added = batch.map {
                    RaftEntry(index: $0, term: 1, payload: .command([UInt8](repeating: 7, count: 200)))
                }
                try log.persist([RaftPersist(token: round, hardState: state, entries: added)])
                last += 200
            }
            let plan = RaftSnapshotPlan(index: last, term: 1, membership: RaftMembership(voters: [NodeID(1)]))
            let snapshot = try SnapshotWriter(plan, log: path).finish()
            try log.persist([
                RaftPersist(token: round, snapshot: snapshot, compactThrough: last - 100, compactTerm: 1)
            ])
            while try log.settle() {}
            let files = try files(of: path)
            sizes.append(files["raft.db"]?.count ?? 0)
        }
        #expect(sizes[11] <= sizes[5] * 5 / 4)
        #expect(try RaftLog(directory: path).restore()?.entries.count == 100)
    }

    @Test("a mark that is gone or unreadable beside a whole log is no damage, is told, and is written again")
    func lostMark() throws {
        let (log, all) = try written(in: try directory("log"))
        try log.settle()
        for content in [nil, Data(), Data(repeating: 0xA5, count: 8_192)] {
            var files = try files(of: root + "/log")
            files["raft.mark"] = content
            let path = try directory("copy")
            defer { do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record("\(error)") } }
            for (name, bytes) in files { try bytes.write(to: URL(fileURLWithPath: path + "/" + name)) }
            let again = try RaftLog(directory: path)
            #expect(try again.restore() == all)
            #expect(again.remark?.contains("\(path)/raft.mark is missing") == true)
            let third = try RaftLog(directory: path)
            #expect(try third.restore() == all)
            #expect(third.remark == nil)
        }
    }

    @Test("a node that has had a log and finds neither log nor mark is damaged, not new")
    func everythingGone() throws {
        let path = try directory("log")
        let log = try RaftLog(directory: path)
        let found = try #require(try log.restore(isExpected: true))
        #expect(found.hardState.damage == RaftMark(index: RaftMark.unknownIndex, term: 0, vote: nil))
        #expect(log.remark?.contains("\(path)/raft.db, which this node has had, is gone") == true)
        #expect(try RaftLog(directory: path).restore() == found)
    }

    @Test("what is wrong is told with the file's name and where the old one is kept")
    func remarks() throws {
        let (log, _) = try written(in: try directory("log"))
        let path = root + "/log"
        let length = try #require(try files(of: path)["raft.db-wal"]).count
        _ = log
        let copy = try directory("copy")
        for (name, bytes) in try files(of: path) { try bytes.write(to: URL(fileURLWithPath: copy + "/" + name)) }
        let wal = URL(fileURLWithPath: copy + "/raft.db-wal")
        try Data(contentsOf: wal).prefix(length - 4_000).write(to: wal)
        let short = try RaftLog(directory: copy)
        #expect(try short.restore()?.isDamaged == true)
        #expect(
            short.remark
                == "\(copy)/raft.db has lost its newest writes: the last is number 5, and number 6 was durable; "
                + "it is kept as raft.db.damaged")
        // The log goes on in the new file, whatever becomes of the old one, and is found after a kill.
        var state = RaftHardState(term: 3, vote: NodeID(1), commitIndex: 15)
        for step in UInt64(0)..<3 {
            state.commitIndex += 1
            try short.persist([
                RaftPersist(token: step, hardState: state, entries: entries((16 + step)...(16 + step), term: 3))
            ])
        }
        let all = entries(1...15) + entries(16...18, term: 3)
        #expect(try restored(try self.files(of: copy)) == RaftRestored(hardState: state, entries: all))
    }

    @Test("a log of another format is refused with the file, both formats and the way out, and is left as it is")
    func otherFormat() throws {
        for format in [Int32(1), 2, 99] {
            let path = try directory("format-\(format)")
            do {
                let old = try Database(path: path + "/raft.db", create: true)
                try old.execute("CREATE TABLE entry(idx INTEGER PRIMARY KEY, content BLOB)")
                try old.execute("INSERT INTO entry VALUES(1, x'00')")
                try old.setSchemaVersion(format)
            }
            do {
                _ = try RaftLog(directory: path)
                Issue.record("format \(format) was opened")
            } catch {
                #expect(error.code == "raft.log.unknown_version")
                #expect(
                    error.message
                        == "\(path)/raft.db has format \(format), and this version of swarmlet reads format 3")
                #expect(error.hint.contains("start the version of swarmlet that wrote it"))
            }
            #expect(!FileManager.default.fileExists(atPath: path + "/raft.db.damaged"))
            #expect(try Database(path: path + "/raft.db", create: false).schemaVersion() == Int64(format))
        }
    }

    @Test("a snapshot of the leader takes the place of a long log at once, and the rows go little by little")
    func installsOverLongLog() throws {
        let path = try directory("log")
        let log = try RaftLog(directory: path)
        _ = try log.restore()
        let content = [UInt8](repeating: 7, count: 20)
        let long = (1...10_000).map { RaftEntry(index: UInt64($0), term: 1, payload: .command(content)) }
        try log.persist([RaftPersist(token: 1, hardState: RaftHardState(term: 1), entries: long)])
        let members = RaftMembership(voters: [NodeID(1)])
        // Shorter than the log here, whose end is another than the leader's.
        let plan = RaftSnapshotPlan(index: 9_000, term: 2, membership: members)
        let snapshot = try SnapshotWriter(plan, log: path).finish()
        let state = RaftHardState(term: 2, commitIndex: 9_000)
        let next = RaftEntry(index: 9_001, term: 2, payload: .command([1]))
        try log.persist([
            RaftPersist(
                token: 2, hardState: state, truncateFrom: 1, entries: [next], snapshot: snapshot,
                compactThrough: 9_000, compactTerm: 2)
        ])
        func rows() throws -> Int64 {
            let count = try log.database.prepare("SELECT count(*) FROM entry")
            _ = try count.step()
            return count.integer(0)
        }
        // Two for the one that came.
        #expect(try rows() == 9_001 - 2)
        let expected = RaftRestored(
            hardState: state, snapshot: snapshot, baseIndex: 9_000, baseTerm: 2, entries: [next])
        #expect(try RaftLog(directory: path).restore() == expected)
        var calls = 1
        while try log.settle() { calls += 1 }
        #expect(try rows() == 1)
        // 512 at a time.
        #expect(calls == 18)
        #expect(try RaftLog(directory: path).restore() == expected)
    }
}
