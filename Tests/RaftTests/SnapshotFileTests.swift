import Codec
import Foundation
import Testing

@testable import Raft

@Suite final class SnapshotFileTests {
    /// Of the node that has the snapshot, and of the one that is sent it.
    private let source: String
    private let target: String
    private let plan = RaftSnapshotPlan(index: 8, term: 2, membership: RaftMembership(voters: [NodeID(1)]))

    init() throws {
        let directory = NSTemporaryDirectory() + "snapshots-\(UUID().uuidString)"
        source = directory + "/source"
        target = directory + "/target"
        for path in [source, target] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: (source as NSString).deletingLastPathComponent)
        } catch { Issue.record("\(error)") }
    }

    /// Two whole pieces and a bit.
    private let content = (0..<(2 * RaftSnapshot.pieceBytes + 1_000)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) }

    private func taken(_ plan: RaftSnapshotPlan? = nil) throws -> RaftSnapshot {
        let writer = try SnapshotWriter(plan ?? self.plan, log: source)
        // In portions that have nothing to do with the pieces.
        for start in stride(from: 0, to: content.count, by: 70_001) {
            try writer.append(Array(content[start..<min(start + 70_001, content.count)]))
        }
        return try writer.finish()
    }

    private func files(of log: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: log + "/snapshots").sorted()
    }

    private func flip(_ snapshot: RaftSnapshot, at position: UInt64, of log: String, suffix: String = "") throws {
        let path = log + "/snapshots/" + SnapshotFormat.name(of: snapshot) + suffix
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: position)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: position)
        try handle.write(contentsOf: [byte ^ 0x10])
        try handle.close()
    }

    /// Sends what the target asks for until it has all; the answer is how many pieces that took.
    private func transfer(_ snapshot: RaftSnapshot, from source: RaftLog, to target: RaftLog) throws -> Int {
        var offset: UInt64 = 0
        for count in 1...20 {
            switch try target.store(try source.piece(of: snapshot, at: offset)) {
            case .whole: return count
            case .partly(let nextOffset): offset = nextOffset
            }
        }
        return .max
    }

    @Test("what was written is read, in pieces and as described")
    func roundTrip() throws {
        let log = try RaftLog(directory: source)
        let snapshot = try taken()
        #expect(snapshot == RaftSnapshot(plan, content: content))
        #expect(try SnapshotReader(snapshot, log: source).readAll() == content)
        let piece = try log.piece(of: snapshot, at: UInt64(RaftSnapshot.pieceBytes))
        #expect(piece.data == Array(content[RaftSnapshot.pieceBytes..<(2 * RaftSnapshot.pieceBytes)]))
        #expect(piece.digest == BLAKE3.hash(piece.data))
        #expect(try log.piece(of: snapshot, at: snapshot.byteCount).data.isEmpty)
    }

    @Test("an empty state has a snapshot, too")
    func empty() throws {
        let from = try RaftLog(directory: source)
        let snapshot = try SnapshotWriter(plan, log: source).finish()
        #expect(try SnapshotReader(snapshot, log: source).readAll().isEmpty)
        #expect(try transfer(snapshot, from: from, to: try RaftLog(directory: target)) == 1)
    }

    @Test("a transfer brings the file, whole and under its name only at the end")
    func transfers() throws {
        let (from, to) = (try RaftLog(directory: source), try RaftLog(directory: target))
        let snapshot = try taken()
        #expect(
            try to.store(try from.piece(of: snapshot, at: 0)) == .partly(nextOffset: UInt64(RaftSnapshot.pieceBytes)))
        #expect(try files(of: target).map { $0.hasSuffix(".part") } == [true])
        #expect(try transfer(snapshot, from: from, to: to) == 3)
        #expect(try SnapshotReader(snapshot, log: target).readAll() == content)
        #expect(try to.store(try from.piece(of: snapshot, at: 0)) == .whole)
    }

    @Test("a transfer goes on where it stopped, also after a start of the daemon")
    func resumes() throws {
        let from = try RaftLog(directory: source)
        let snapshot = try taken()
        var to = try RaftLog(directory: target)
        _ = try to.restore()
        _ = try to.store(try from.piece(of: snapshot, at: 0))
        to = try RaftLog(directory: target)
        _ = try to.restore()
        // The first question is answered with the place to go on at.
        #expect(
            try to.store(try from.piece(of: snapshot, at: 0)) == .partly(nextOffset: UInt64(RaftSnapshot.pieceBytes)))
        #expect(try transfer(snapshot, from: from, to: to) == 3)
    }

    @Test("a piece that rotted while the daemon was away is fetched again")
    func rottenPart() throws {
        let from = try RaftLog(directory: source)
        let snapshot = try taken()
        var to = try RaftLog(directory: target)
        let second = UInt64(RaftSnapshot.pieceBytes)
        _ = try to.store(try from.piece(of: snapshot, at: 0))
        _ = try to.store(try from.piece(of: snapshot, at: second))
        try flip(snapshot, at: UInt64(SnapshotFormat.recordBytes) + 100, of: target, suffix: ".part")
        to = try RaftLog(directory: target)
        #expect(try to.store(try from.piece(of: snapshot, at: 2 * second)) == .partly(nextOffset: second))
        #expect(try transfer(snapshot, from: from, to: to) < 5)
        #expect(try SnapshotReader(snapshot, log: target).readAll() == content)
    }

    @Test("a piece that is not what its hash says, or not the next, is left out and asked for again")
    func wrongPieces() throws {
        let (from, to) = (try RaftLog(directory: source), try RaftLog(directory: target))
        let snapshot = try taken()
        var changed = try from.piece(of: snapshot, at: 0)
        changed.data[5] ^= 1
        #expect(try to.store(changed) == .partly(nextOffset: 0))
        let second = try from.piece(of: snapshot, at: UInt64(RaftSnapshot.pieceBytes))
        #expect(try to.store(second) == .partly(nextOffset: 0))
        #expect(try transfer(snapshot, from: from, to: to) == 3)
    }

    @Test("pieces that are each in order and still not the snapshot are thrown away")
    func wrongWhole() throws {
        let (from, to) = (try RaftLog(directory: source), try RaftLog(directory: target))
        var snapshot = try taken()
        let honest = snapshot
        snapshot.digest = BLAKE3.hash([1])
        for offset in stride(from: 0, to: snapshot.byteCount, by: RaftSnapshot.pieceBytes) {
            var piece = try from.piece(of: honest, at: offset)
            piece.snapshot = snapshot
            let isLast = offset + UInt64(piece.data.count) == snapshot.byteCount
            let next = isLast ? 0 : offset + UInt64(RaftSnapshot.pieceBytes)
            #expect(try to.store(piece) == .partly(nextOffset: next))
        }
        #expect(try files(of: target).allSatisfy { $0.hasSuffix(".part") })
    }

    @Test("a flipped bit anywhere in the file is noticed before a byte of it is used", arguments: [0, 31, 32, 300_000])
    func rot(position: UInt64) throws {
        let log = try RaftLog(directory: source)
        let snapshot = try taken()
        try flip(snapshot, at: position, of: source)
        let reader = try SnapshotReader(snapshot, log: source)
        #expect(throws: RaftLogError.self) { try reader.readAll() }
        #expect(reader.isDamaged)
        #expect(throws: RaftLogError.self) {
            for offset in stride(from: 0, to: snapshot.byteCount, by: RaftSnapshot.pieceBytes) {
                _ = try log.piece(of: snapshot, at: offset)
            }
        }
    }

    @Test("a snapshot whose file is gone or cut is damage of the log, and the log says what it once held")
    func lostFile() throws {
        var log = try RaftLog(directory: source)
        _ = try log.restore()
        let snapshot = try taken()
        let state = RaftHardState(term: 2, vote: NodeID(1), commitIndex: 8)
        try log.persist([
            RaftPersist(
                token: 1, hardState: state, truncateFrom: 1, snapshot: snapshot, compactThrough: 8, compactTerm: 2)
        ])
        try log.settle()
        log = try RaftLog(directory: source)
        #expect(try log.restore()?.snapshot == snapshot)
        try FileManager.default.removeItem(atPath: source + "/snapshots/" + SnapshotFormat.name(of: snapshot))
        log = try RaftLog(directory: source)
        let found = try #require(try log.restore())
        #expect(found.snapshot == nil)
        #expect(found.hardState.damage?.index == 8)
        #expect(found.hardState.vote == NodeID(1))
    }

    @Test("the snapshot before goes only when the log names the new one, and a start leaves nothing behind")
    func cleansUp() throws {
        var log = try RaftLog(directory: source)
        _ = try log.restore()
        let first = try taken()
        let state = RaftHardState(term: 2, commitIndex: 8)
        try log.persist([
            RaftPersist(token: 1, hardState: state, truncateFrom: 1, snapshot: first, compactThrough: 8, compactTerm: 2)
        ])
        let second = try taken(RaftSnapshotPlan(index: 12, term: 2, membership: plan.membership))
        #expect(try files(of: source) == [first, second].map(SnapshotFormat.name).sorted())
        // A daemon that ends here goes on with the first.
        log = try RaftLog(directory: source)
        #expect(try log.restore()?.snapshot == first)
        #expect(try files(of: source) == [SnapshotFormat.name(of: first)])
        let third = try taken(RaftSnapshotPlan(index: 12, term: 2, membership: plan.membership))
        try log.persist([
            RaftPersist(token: 2, truncateFrom: 1, snapshot: third, compactThrough: 12, compactTerm: 2)
        ])
        #expect(try files(of: source) == [SnapshotFormat.name(of: third)])
    }

    @Test("a log never names a snapshot that has no file")
    func noFile() throws {
        let log = try RaftLog(directory: source)
        _ = try log.restore()
        let snapshot = RaftSnapshot(plan, content: content)
        #expect(throws: RaftLogError.self) {
            try log.persist([
                RaftPersist(token: 1, truncateFrom: 1, snapshot: snapshot, compactThrough: 8, compactTerm: 2)
            ])
        }
    }
}
