import Codec
import Foundation
import Scheduler
import Store
import Testing

@testable import Node

/// A log of entries, applied by a member that keeps a history, and killed at any moment.
private struct Member {
    var state = SchedulerState()
    /// How many entries the state has applied.
    var applied = 0
    var store: HistoryStore
    /// What a start after a kill begins from.
    private var snapshot: (state: [UInt8], applied: Int) = (SchedulerState().encoded(), 0)
    /// Jobs that left and are not written.
    private var waiting: [ArchivedJob] = []
    private var scratch: ScratchDirectory

    init() throws {
        scratch = try ScratchDirectory()
        store = try HistoryStore(path: scratch.path + "/history.db")
    }

    mutating func apply(_ log: [Entry], through end: Int) {
        while applied < end {
            _ = state.apply(log[applied])
            applied += 1
            waiting += state.takeArchived()
        }
    }

    mutating func write() throws {
        try store.write(waiting, upTo: UInt64(applied))
        waiting = []
    }

    /// Only what is in the history may be left out of the log.
    mutating func takeSnapshot() throws {
        try write()
        snapshot = (state.encoded(), applied)
    }

    /// What was not on disk is gone; the file is what the kill left, its log beside it.
    mutating func kill() throws {
        let next = try ScratchDirectory()
        for name in ["history.db", "history.db-wal"] {
            let from = scratch.path + "/" + name
            guard FileManager.default.fileExists(atPath: from) else { continue }
            try FileManager.default.copyItem(atPath: from, toPath: next.path + "/" + name)
        }
        scratch = next
        store = try HistoryStore(path: scratch.path + "/history.db")
        state = try SchedulerState(encoded: snapshot.state)
        applied = snapshot.applied
        waiting = []
    }
}

struct HistoryStoreTests {
    /// A mesh of one node that runs jobs one after the other, of which ten stay in memory.
    private static func log(jobs: Int, seed: UInt64 = 1) -> [Entry] {
        var random = SeededGenerator(seed: seed)
        var entries: [Entry] = []
        var number: UInt64 = 0
        func add(_ command: Command) {
            number += 1
            entries.append(
                Entry(
                    request: RequestID(high: seed, low: number),
                    time: 1_763_733_600_000_000_000 + Int64(number) * 1_000,
                    command: command))
        }
        let key = Bytes(Array(repeating: 1, count: 32))
        let node = NodeRecord(
            name: "owl", identityKey: key, noiseKey: key,
            capacity: Capacity(cpuMillis: 64_000, memoryBytes: 64 << 30))
        add(.found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: key, node: node))
        add(.configure(key: "jobs.keep", value: "10", by: "ana"))
        for job in 1...UInt64(jobs) {
            var spec = JobSpec(name: "job \(job)", command: ["true", "\(job)"], user: "ana", submitNode: NodeID(1))
            spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 20)
            spec.tasks = UInt32.random(in: 1...40, using: &random)
            add(.submit(spec))
            let attempts = (0..<spec.tasks).map { AttemptKey(job: job, task: $0, attempt: 1) }
            add(
                .place(attempts.map { Placement(attempt: $0, node: NodeID(1), cpuMillis: 1_000, memoryBytes: 1 << 20) })
            )
            let code = Int32.random(in: 0...1, using: &random)
            add(.report(NodeID(1), attempts.map { AttemptReport(attempt: $0, kind: .ended(.exited(code)), at: 1) }))
        }
        return entries
    }

    private static func contents(_ store: HistoryStore) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var next: UInt64 = 1
        while let part = try store.part(beginningAt: next) {
            bytes += part.bytes
            next = part.last + 1
        }
        return bytes
    }

    @Test(
        "killed at any moment, a member has each finished job once, and the same as the others",
        arguments: UInt64(1)...6)
    func kills(seed: UInt64) throws {
        let log = Self.log(jobs: 700, seed: 7)
        var random = SeededGenerator(seed: seed)
        var killed = try Member()
        while killed.applied < log.count {
            killed.apply(log, through: min(log.count, killed.applied + Int.random(in: 1...120, using: &random)))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4: try killed.write()
            case 4: try killed.takeSnapshot()
            case 5, 6: try killed.kill()
            default: break
            }
        }
        try killed.write()
        var calm = try Member()
        calm.apply(log, through: log.count)
        try calm.write()
        #expect(calm.state.archivedCount == 690)
        #expect(killed.state.digest == calm.state.digest)
        #expect(try killed.store.count() == 690)
        #expect(killed.store.completeThrough == 690)
        #expect(killed.store.appliedIndex == UInt64(log.count))
        let isSame = try Self.contents(killed.store) == Self.contents(calm.store)
        #expect(isSame)
        let (left, right) = (try killed.store.sealedParts(), try calm.store.sealedParts())
        #expect(left.map(\.first) == [1, 257])
        #expect(left.map(\.digest) == right.map(\.digest))
    }

    @Test("a member that comes late gets the parts from another and has the same history")
    func late() throws {
        let log = Self.log(jobs: 600)
        var early = try Member()
        early.apply(log, through: log.count)
        try early.write()
        var late = try Member()
        // It has kept what left after it came.
        late.state = try SchedulerState(encoded: early.state.encoded())
        var more = Self.log(jobs: 620)
        more.removeFirst(log.count)
        for entry in more {
            _ = early.state.apply(entry)
            _ = late.state.apply(entry)
        }
        try early.store.write(early.state.takeArchived(), upTo: 9_999)
        try late.store.write(late.state.takeArchived(), upTo: 9_999)
        #expect(late.store.completeThrough == 0)
        #expect(try late.store.count() == 20)
        while late.store.completeThrough < late.state.archivedCount {
            let part = try #require(try early.store.part(beginningAt: late.store.completeThrough + 1))
            try late.store.take(
                ArchivedJobRecords.jobs(in: part.bytes), from: late.store.completeThrough + 1,
                through: late.state.archivedCount)
        }
        let isSame = try Self.contents(late.store) == Self.contents(early.store)
        #expect(isSame)
        #expect(try late.store.sealedParts().map(\.digest) == early.store.sealedParts().map(\.digest))
        #expect(late.store.completeThrough == 610)
    }

    @Test("a job that left the state is what it was, and newer ones come first")
    func sameJob() throws {
        let log = Self.log(jobs: 12)
        var member = try Member()
        member.apply(log, through: log.count - 6)
        let record = try #require(member.state.job(1))
        let task = try #require(member.state.task(TaskKey(job: 1, index: 0)))
        member.apply(log, through: log.count)
        try member.write()
        #expect(member.state.job(1) == nil)
        let old = try #require(try member.store.job(1))
        #expect(old.record == record)
        let recalled = member.state.recalling([old])
        #expect(recalled.job(1) == record)
        #expect(recalled.task(TaskKey(job: 1, index: 0)) == task)
        #expect(try member.store.newest(limit: 5).map(\.id) == [2, 1])
        #expect(try member.store.job(12) == nil)
        #expect(try member.store.endedAt(1) == record.endedAt)
    }

    @Test("a sealed part that is no longer what it was is not handed out")
    func damagedPart() throws {
        let log = Self.log(jobs: 300)
        var member = try Member()
        member.apply(log, through: log.count)
        try member.write()
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/history.db"
        var store = try HistoryStore(path: path)
        try store.write(
            try member.store.newest(limit: 1_000).reversed().map { try #require(try member.store.job($0.id)) }, upTo: 5)
        #expect(try store.part(beginningAt: 1)?.last == 256)
        store.close()
        let database = try Database(path: path, create: false)
        try database.execute(
            "UPDATE job SET content = CAST(substr(content, 1, length(content) - 1) || x'01' AS BLOB) WHERE number = 9")
        database.close()
        store = try HistoryStore(path: path)
        #expect(throws: StoreError.self) { try store.part(beginningAt: 1) }
        #expect(try store.part(beginningAt: 257)?.last == 290)
    }

    @Test("what left the state on entries that a recovery does not know is forgotten, the rest stays")
    func recovery() throws {
        let log = Self.log(jobs: 600)
        var survivor = try Member()
        survivor.apply(log, through: 2 + 3 * 400)
        var ahead = try Member()
        ahead.apply(log, through: log.count)
        try ahead.write()
        #expect(ahead.store.completeThrough == 590)
        // The mesh goes on from a node that knew of 400 jobs; the numbers of what leaves next are given again.
        var number: UInt64 = 0
        func add(_ command: Command) {
            number += 1
            let entry = Entry(request: RequestID(high: 77, low: number), time: survivor.state.time, command: command)
            _ = survivor.state.apply(entry)
        }
        add(.recovered(epoch: 1))
        for _ in 0..<30 {
            add(.submit(JobSpec(name: "later", command: ["true"], user: "ana", submitNode: NodeID(1))))
            add(.cancel(survivor.state.jobs.map(\.id).max() ?? 0, by: "ana"))
        }
        var archived: [ArchivedJob] = survivor.state.takeArchived()
        try survivor.write()
        try survivor.store.enter(1, keepingThrough: 390)
        try survivor.store.write(archived, upTo: 9_999)
        archived = []
        #expect(survivor.store.completeThrough == survivor.state.archivedCount)

        let counts = try #require(survivor.state.historyCounts(ofEpoch: ahead.store.epoch))
        #expect(counts == 390)
        try ahead.store.enter(1, keepingThrough: counts)
        #expect(ahead.store.completeThrough == 390)
        #expect(ahead.store.sealedThrough == 256)
        #expect(try ahead.store.job(395) == nil)
        while ahead.store.completeThrough < survivor.state.archivedCount {
            let first = ahead.store.completeThrough + 1
            let part = try #require(try survivor.store.part(beginningAt: first))
            try ahead.store.take(
                ArchivedJobRecords.jobs(in: part.bytes), from: first, through: survivor.state.archivedCount)
        }
        let isSame = try Self.contents(ahead.store) == Self.contents(survivor.store)
        #expect(isSame)
        #expect(survivor.state.historyCounts(ofEpoch: 1) == nil)
        // An epoch is entered once.
        try ahead.store.enter(1, keepingThrough: 0)
        #expect(ahead.store.completeThrough == survivor.state.archivedCount)
    }

    @Test("what a peer sends is taken only if it reads back as it came")
    func foreignBytes() throws {
        let log = Self.log(jobs: 40)
        var member = try Member()
        member.apply(log, through: log.count)
        try member.write()
        let part = try #require(try member.store.part(beginningAt: 1))
        var random = SeededGenerator(seed: 3)
        for _ in 0..<60 {
            var bytes = part.bytes
            bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            bytes.removeLast(Int.random(in: 0...8, using: &random))
            let other = try Member()
            try? other.store.take(ArchivedJobRecords.jobs(in: bytes), from: 1, through: 30)
            #expect(try other.store.count() <= 30)
            _ = try other.store.newest(limit: 100)
        }
    }
}
