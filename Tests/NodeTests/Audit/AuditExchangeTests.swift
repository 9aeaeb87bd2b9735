import Codec
import Scheduler
import Testing
import Tokens

@testable import Node

/// Pieces of the log that another member sends.
struct AuditExchangeTests {
    private let scratch: ScratchDirectory
    private let store: AuditStore
    private let made = AuditLines(600)

    init() throws {
        scratch = try ScratchDirectory()
        store = try AuditStore(path: scratch.path + "/audit.db")
        try store.write(made.lines)
    }

    private func answer(_ range: Range<Int>, size: UInt64 = 600) throws -> AuditAnswer {
        AuditAnswer(
            lines: made.lines[range].map { Bytes($0.bytes) },
            proof: try #require(
                MerkleProof.consistency(from: UInt64(range.upperBound), to: size) { store.subtree($0) }))
    }

    private func check(_ answer: AuditAnswer, after size: UInt64, of whole: UInt64 = 600) throws -> [AuditLine]? {
        try AuditExchange.check(
            answer, after: AuditLines(size).frontier, size: whole, root: AuditLines(whole).frontier.root)
    }

    @Test("lines that fit the tree are taken", arguments: [(0, 100), (100, 356), (356, 600), (599, 600)])
    func good(first: Int, end: Int) throws {
        let taken = try check(try answer(first..<end), after: UInt64(first))
        #expect(taken == Array(made.lines[first..<end]))
    }

    @Test("a line that was altered, dropped, added or moved spoils the piece, and so does a proof of something else")
    func bad() throws {
        let good = try answer(100..<200)
        var altered = good
        altered.lines[50] = Bytes(altered.lines[50].array + [32])
        var dropped = good
        dropped.lines.remove(at: 0)
        var added = good
        added.lines.append(Bytes(Array("{}".utf8)))
        var moved = good
        moved.lines.swapAt(3, 4)
        var forged = good
        forged.proof[0] = .zero
        var bare = good
        bare.proof = []
        for answer in [altered, dropped, added, moved, forged, bare] {
            #expect(throws: NodeError.auditUnproved) { try check(answer, after: 100) }
        }
        // It goes on from elsewhere, or is of a longer log.
        #expect(throws: NodeError.auditUnproved) { try check(good, after: 101) }
        #expect(throws: NodeError.auditUnproved) { try check(good, after: 100, of: 500) }
        #expect(throws: NodeError.auditUnproved) { try check(answer(0..<600), after: 100) }
    }

    @Test("a member that has nothing is no error") func nothing() throws {
        #expect(try check(AuditAnswer(), after: 100) == nil)
    }

    @Test("questions and answers survive their encoding")
    func encoding() throws {
        for message in [AuditMessage.lines(from: 1, size: 2, epoch: 3), .cosign("note"), .checkpoint("note")] {
            #expect(try AuditMessage(encoded: message.encoded()) == message)
        }
        let answer = AuditAnswer(
            lines: [Bytes([1])], proof: [.zero], note: "a", refusal: "b", contradiction: "c")
        #expect(try AuditAnswer(encoded: answer.encoded()) == answer)
        #expect(try AuditAnswer(encoded: AuditAnswer().encoded()) == AuditAnswer())
    }
}

struct RefusalMeterTests {
    @Test("refusals are said once a minute, however many they are, and none is lost")
    func once() {
        var meter = RefusalMeter()
        var now = Instant.zero + .seconds(100)
        #expect(meter.takeDue(now: now) == nil)
        for _ in 0..<100_000 { meter.count("token.used") }
        meter.count("auth.denied")
        let due = meter.takeDue(now: now)
        #expect(
            due == [RefusalCount(code: "auth.denied", count: 1), RefusalCount(code: "token.used", count: 100_000)])
        meter.count("token.used")
        #expect(meter.takeDue(now: now + .seconds(59)) == nil)
        now = now + .seconds(60)
        #expect(meter.takeDue(now: now) == [RefusalCount(code: "token.used", count: 1)])
    }

    @Test("more codes than an entry may have are one, and what was not taken counts again")
    func bounded() throws {
        var meter = RefusalMeter()
        for number in 0..<1_000 { meter.count("code\(number)") }
        let taken = meter.takeDue(now: .zero + .seconds(100))
        let due = try #require(taken)
        #expect(due.count == SchedulerLimits.refusalCodesMax)
        #expect(due.reduce(0) { $0 + $1.count } == 1_000)
        meter.putBack(due)
        meter.count("code0")
        let takenAgain = meter.takeDue(now: .zero + .seconds(200))
        #expect(takenAgain?.reduce(0) { $0 + $1.count } == 1_001)
    }
}
