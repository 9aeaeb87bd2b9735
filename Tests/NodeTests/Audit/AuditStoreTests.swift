import Codec
import Scheduler
import Store
import Testing
import Tokens

@testable import Node

/// Lines as a state makes them, with the tree that goes with them.
struct AuditLines {
    var lines: [AuditLine] = []
    var frontier = MerkleFrontier()

    init(_ count: UInt64) {
        for number in 0..<count {
            let event = AuditEvent(
                sequence: number, time: Int64(number), .jobSubmitted, actor: "ana@owl",
                tokens: number % 5 == 0 ? ["token\(number)"] : [], job: number / 2)
            lines.append(AuditLine(sequence: number, job: event.job, bytes: event.line))
            frontier.append(leaf: MerkleHash.leaf(event.line))
        }
    }

    func root(_ size: UInt64) -> Digest { AuditLines(size).frontier.root }
}

struct AuditStoreTests {
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    private func open() throws -> AuditStore { try AuditStore(path: scratch.path + "/audit.db") }

    @Test("what was written is there after a restart, and has the tree of the lines")
    func restart() throws {
        let made = AuditLines(700)
        let store = try open()
        try store.write(Array(made.lines[..<300]))
        try store.write(Array(made.lines[250...]))
        store.close()
        let again = try open()
        #expect(again.frontier == made.frontier)
        #expect(try again.rows(from: 0, limit: 1_000).map(\.line) == made.lines)
        for size in [UInt64(0), 1, 255, 256, 257, 511, 512, 699, 700] {
            #expect(again.root(size: size) == made.root(size))
        }
        #expect(again.root(size: 701) == nil)
        #expect(try again.sequence(ofJob: 33) == 66)
        #expect(try again.sequence(ofJob: 999) == nil)
    }

    @Test("lines behind a gap wait until it is filled, and a line that comes again changes nothing")
    func gap() throws {
        let made = AuditLines(600)
        let store = try open()
        try store.write(Array(made.lines[..<10]))
        try store.write(Array(made.lines[400...]))
        #expect(store.frontier.size == 10)
        #expect(store.root(size: 20) == nil)
        var other = made.lines[5]
        other.bytes += [32]
        try store.write([other])
        try store.write(Array(made.lines[10..<400]))
        #expect(store.frontier == made.frontier)
        #expect(try store.rows(from: 5, limit: 1).first?.line == made.lines[5])
    }

    @Test("every event can be proved from the copy, and not when its line is another one")
    func proofs() throws {
        let made = AuditLines(600)
        let store = try open()
        try store.write(made.lines)
        for index in [UInt64(0), 7, 255, 256, 511, 512, 599] {
            let path = try #require(MerkleProof.inclusion(of: index, size: 600) { store.subtree($0) })
            let leaf = MerkleHash.leaf(made.lines[Int(index)].bytes)
            #expect(MerkleProof.verifies(path, leaf: leaf, index: index, size: 600, root: made.frontier.root))
        }
        try store.database.execute("UPDATE event SET line = X'7B7D' WHERE seq = 520")
        let path = try #require(MerkleProof.inclusion(of: 521, size: 600) { store.subtree($0) })
        let leaf = MerkleHash.leaf(made.lines[521].bytes)
        #expect(!MerkleProof.verifies(path, leaf: leaf, index: 521, size: 600, root: made.frontier.root))
    }

    @Test(
        "after a recovery what does not count any more is gone, and the rest goes on",
        arguments: [0, 3, 256, 300, 600] as [UInt64])
    func recovery(kept: UInt64) throws {
        let made = AuditLines(600)
        let store = try open()
        try store.write(Array(made.lines[..<500]) + Array(made.lines[550...]))
        try store.keep(AuditStore.Signed(size: 2, root: .zero, note: "n"), in: .signed)
        try store.enter(1, keeping: kept)
        let size = min(kept, 500)
        #expect(store.frontier == AuditLines(size).frontier)
        #expect(try store.signed(in: .signed) == nil)
        try store.enter(1, keeping: 0)
        #expect(store.frontier.size == size)
        try store.write(Array(made.lines[Int(size)...]))
        #expect(store.frontier == made.frontier)
        store.close()
        let again = try open()
        #expect(again.epoch == 1)
        #expect(again.root(size: 600) == made.frontier.root)
    }

    @Test("of checkpoints the newest stay, of contradictions the first, each once")
    func bounds() throws {
        let store = try open()
        for size in 1...UInt64(AuditStore.checkpointsMax + 5) {
            try store.keep(AuditStore.Signed(size: size, root: .zero, note: "n\(size)"), in: .checkpoint)
        }
        #expect(try store.checkpoints().count == AuditStore.checkpointsMax)
        #expect(try store.signed(in: .checkpoint)?.size == UInt64(AuditStore.checkpointsMax + 5))
        #expect(try store.signed(in: .checkpoint, size: 1) == nil)
        for number in 0..<100 {
            try store.keep(AuditStore.Evidence(at: 1, size: 2, first: "a\(number / 2)", second: "b"))
        }
        #expect(try store.evidence().count == 50)
        for number in 0..<100 { try store.keep(AuditStore.Evidence(at: 1, size: 2, first: "c\(number)", second: "b")) }
        #expect(try store.evidence().count == AuditStore.evidenceMax)
    }

    @Test("a row that is gone does not come back by itself: a look through the copy has to find it")
    func noSilentRepair() throws {
        let made = AuditLines(50)
        let store = try open()
        try store.write(made.lines)
        try store.database.execute("DELETE FROM event WHERE seq = 20")
        store.close()
        let again = try open()
        try again.write(made.lines)
        #expect(again.frontier.size == 50)
        #expect(try again.rows(from: 20, limit: 1).first?.line.sequence == 21)
    }
}
