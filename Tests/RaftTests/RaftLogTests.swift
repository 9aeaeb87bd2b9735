import Codec
import Foundation
import Store
import Testing

@testable import Raft

@Suite final class RaftLogTests {
    private let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "raft-log-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: directory) } catch { Issue.record("\(error)") }
    }

    private func entries(_ range: ClosedRange<UInt64>, term: UInt64 = 1) -> [RaftEntry] {
        range.map { RaftEntry(index: $0, term: term, payload: .command([UInt8($0 % 256), 7])) }
    }

    /// A closed log with entries 1 to 10 of term 1, and a mark that says so.
    private func tenEntries() throws {
        let log = try RaftLog(directory: directory)
        #expect(try log.restore() == nil)
        let state = RaftHardState(term: 1, vote: NodeID(2), commitIndex: 3)
        try log.persist([RaftPersist(token: 1, hardState: state, entries: entries(1...10))])
        try log.settle()
    }

    private func sql(_ statement: String) throws {
        try Database(path: directory + "/raft.db", create: false).execute(statement)
    }

    private func restored() throws -> RaftRestored? { try RaftLog(directory: directory).restore() }

    private func write(_ plan: RaftSnapshotPlan, _ content: [UInt8]) throws -> RaftSnapshot {
        let writer = try SnapshotWriter(plan, log: directory)
        try writer.append(content)
        return try writer.finish()
    }

    @Test("everything written is found again")
    func roundTrip() throws {
        try tenEntries()
        let found = try #require(try restored())
        #expect(found.entries == entries(1...10))
        #expect(found.hardState == RaftHardState(term: 1, vote: NodeID(2), commitIndex: 3))
        #expect(!found.isDamaged)
    }

    @Test("a founder finds its membership again")
    func founding() throws {
        let log = try RaftLog(directory: directory)
        #expect(try log.restore() == nil)
        try log.found(.founding(id: NodeID(1)))
        #expect(try restored() == .founding(id: NodeID(1)))
    }

    @Test("several changes, with a cut between them, are one transaction in order")
    func groupCommit() throws {
        try tenEntries()
        let log = try RaftLog(directory: directory)
        _ = try log.restore()
        let membership = RaftEntry(index: 9, term: 3, payload: .membership(RaftMembership(voters: [NodeID(4)])))
        try log.persist([
            RaftPersist(token: 1, truncateFrom: 8, entries: entries(8...9, term: 2)),
            RaftPersist(token: 2, hardState: RaftHardState(term: 3), truncateFrom: 9, entries: [membership]),
            RaftPersist(token: 3, entries: [RaftEntry(index: 10, term: 3, payload: .empty)]),
        ])
        let found = try #require(try restored())
        #expect(found.entries.map(\.term) == [1, 1, 1, 1, 1, 1, 1, 2, 3, 3])
        #expect(found.entries[8] == membership)
        #expect(!found.isDamaged)
    }

    @Test("a snapshot lets the log before it go, and one from the leader replaces it")
    func snapshots() throws {
        try tenEntries()
        let log = try RaftLog(directory: directory)
        _ = try log.restore()
        let members = RaftMembership(voters: [NodeID(1)], learners: [NodeID(2)])
        let taken = try write(RaftSnapshotPlan(index: 8, term: 1, membership: members), [1, 2, 3])
        try log.persist([RaftPersist(token: 1, snapshot: taken, compactThrough: 6, compactTerm: 1)])
        var found = try #require(try restored())
        #expect(found.snapshot == taken)
        #expect(found.baseIndex == 6)
        #expect(found.entries == entries(7...10))
        #expect(!found.isDamaged)
        let installed = try write(RaftSnapshotPlan(index: 50, term: 4, membership: members), [])
        try log.persist([
            RaftPersist(
                token: 2, truncateFrom: 1, entries: entries(51...52, term: 4), snapshot: installed, compactThrough: 50,
                compactTerm: 4)
        ])
        found = try #require(try restored())
        #expect(found.snapshot == installed)
        #expect(found.baseIndex == 50)
        #expect(found.baseTerm == 4)
        #expect(found.entries == entries(51...52, term: 4))
        #expect(!found.isDamaged)
    }

    @Test("a changed byte in the middle is damage, not the end of the log")
    func brokenChain() throws {
        try tenEntries()
        try sql("UPDATE entry SET content = x'00' WHERE idx = 5")
        let found = try #require(try restored())
        #expect(found.entries == entries(1...4))
        #expect(found.hardState.damage == RaftMark(index: 10, term: 1, vote: NodeID(2)))
        // It is still damaged when it is opened again.
        #expect(try restored()?.isDamaged == true)
    }

    @Test("rows that vanished from the end are damage, since the mark knows of them")
    func shortLog() throws {
        try tenEntries()
        try sql("DELETE FROM entry WHERE idx > 7")
        let found = try #require(try restored())
        #expect(found.entries == entries(1...7))
        #expect(found.hardState.damage?.index == 10)
    }

    @Test("a term and vote that the log has forgotten come back from the mark")
    func forgottenVote() throws {
        try tenEntries()
        let log = try RaftLog(directory: directory)
        _ = try log.restore()
        try log.persist([RaftPersist(token: 1, hardState: RaftHardState(term: 9, vote: NodeID(3)))])
        try log.settle()
        try sql("UPDATE state SET term = 1, vote = 2")
        let found = try #require(try restored())
        #expect(found.hardState.term == 9)
        #expect(found.hardState.vote == NodeID(3))
        #expect(found.isDamaged)
    }

    @Test("a database that vanished is damage as long as its mark is there")
    func lostDatabase() throws {
        try tenEntries()
        for name in ["raft.db", "raft.db-wal", "raft.db-shm"]
        where FileManager.default.fileExists(atPath: directory + "/" + name) {
            try FileManager.default.removeItem(atPath: directory + "/" + name)
        }
        let found = try #require(try restored())
        #expect(found.entries.isEmpty)
        #expect(
            found.hardState
                == RaftHardState(term: 1, vote: NodeID(2), damage: RaftMark(index: 10, term: 1, vote: NodeID(2))))
    }

    @Test("a snapshot that is not what was written is damage")
    func brokenSnapshot() throws {
        try tenEntries()
        let log = try RaftLog(directory: directory)
        _ = try log.restore()
        let members = RaftMembership(voters: [NodeID(1)])
        let taken = try write(RaftSnapshotPlan(index: 8, term: 1, membership: members), [1, 2, 3])
        try log.persist([RaftPersist(token: 1, snapshot: taken, compactThrough: 8, compactTerm: 1)])
        try sql("UPDATE snapshot SET bytes = 4")
        let found = try #require(try restored())
        #expect(found.snapshot == nil)
        #expect(found.entries.isEmpty)
        #expect(found.hardState.damage?.index == 10)
    }

    @Test("a torn record of the mark leaves the one before it")
    func tornMark() throws {
        let path = directory + "/mark"
        let first = try MarkFile(path: path)
        try first.write(RaftMark(index: 1, term: 1, vote: nil), after: 1)
        try first.write(RaftMark(index: 2, term: 1, vote: NodeID(1)), after: 2)
        #expect(try MarkFile(path: path).mark == RaftMark(index: 2, term: 1, vote: NodeID(1)))
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seek(toOffset: 8)
        try handle.write(contentsOf: [99])
        try handle.close()
        #expect(try MarkFile(path: path).mark == RaftMark(index: 1, term: 1, vote: nil))
    }

    @Test("a node that restarts from its log keeps its term, its vote and what it has applied")
    func restart() throws {
        try tenEntries()
        let found = try #require(try restored())
        var core = RaftCore(id: NodeID(1), restored: found, seed: 1, now: .zero)
        #expect(core.term == 1)
        var effects: [RaftEffect] = []
        core.handle(.timer, at: .zero, into: &effects)
        #expect(effects.contains(.apply(entries(1...3))))
    }
}
