import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What a host does for the mesh")
struct AttemptLedgerTests {
    private let key = AttemptKey(job: 1, task: 0, attempt: 1)
    private let request = RequestID(high: 1, low: 1)

    private func wanted(_ key: AttemptKey, started: Bool = false, cancelled: Bool = false) -> WantedAttempt {
        WantedAttempt(key: key, hasStarted: started, isCancelled: cancelled)
    }

    private func compare(
        _ ledger: inout AttemptLedger, _ wanted: [WantedAttempt], mayStart: Bool = true, isLeaving: Bool = false
    ) -> [AttemptLedger.Step] {
        ledger.compare(with: wanted, mayStart: mayStart, isLeaving: isLeaving, at: .zero, wallClock: 77)
    }

    /// A ledger whose only attempt runs.
    private func running() -> AttemptLedger {
        var ledger = AttemptLedger()
        _ = compare(&ledger, [wanted(key)])
        ledger.heard(AttemptReport(attempt: key, kind: .running, at: 1))
        return ledger
    }

    @Test("a rank that has to go asks for its gang once, and goes with it; at once only where the owner wants the host")
    func movesAsOne() {
        var ledger = running()
        var rank = WantedAttempt(key: key, hasStarted: true, isCancelled: false, stay: .over, movesAsOne: true)
        #expect(compare(&ledger, [rank]) == [.moveGang(key)])
        #expect(compare(&ledger, [rank]).isEmpty)
        rank.gangStop = .moved
        #expect(compare(&ledger, [rank]) == [.stop(key, .moved)])
        var other = running()
        rank.gangStop = nil
        rank.stay = .evicted
        #expect(compare(&other, [rank]) == [.moveGang(key), .stop(key, .evicted)])
        rank.gangStop = .moved
        #expect(compare(&other, [rank]).isEmpty)
    }

    @Test("what has a place here starts under a lease, once")
    func startsOnce() {
        var ledger = AttemptLedger()
        #expect(compare(&ledger, [wanted(key)], mayStart: false).isEmpty)
        #expect(ledger[key] == nil)
        #expect(compare(&ledger, [wanted(key)]) == [.start(key)])
        #expect(compare(&ledger, [wanted(key)]).isEmpty)
        #expect(!ledger.isIdle)
    }

    private let second = AttemptKey(job: 1, task: 1, attempt: 1)
    private let third = AttemptKey(job: 1, task: 2, attempt: 1)

    private func waits(_ key: AttemptKey, turn: UInt64, cancelled: Bool = false) -> WantedAttempt {
        WantedAttempt(key: key, hasStarted: false, isCancelled: cancelled, turn: turn)
    }

    private func move(_ ledger: inout AttemptLedger, at now: Instant = .zero) -> [AttemptLedger.Step] {
        ledger.moveLines(mayStart: true, at: now, wallClock: 77)
    }

    @Test("what waits for room begins when an attempt of its job ends, in the order of the turns, one for one")
    func takesOver() {
        var ledger = running()
        let all = [wanted(key, started: true), waits(second, turn: 2), waits(third, turn: 1)]
        #expect(compare(&ledger, all) == [.prepare(second), .prepare(third)])
        #expect(move(&ledger).isEmpty)
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        #expect(move(&ledger) == [.start(third)])
        #expect(move(&ledger).isEmpty)
        // The state passes the room on in its turn: nothing begins twice, and nobody else begins.
        let after = [wanted(third), waits(second, turn: 2)]
        #expect(compare(&ledger, after) == [.settled(key)])
        #expect(move(&ledger).isEmpty)
        ledger.heard(AttemptReport(attempt: third, kind: .ended(.exited(0)), at: 3))
        #expect(move(&ledger) == [.start(second)])
    }

    @Test("who has got room by the state goes before those who wait, also while there is no lease")
    func roomFirst() {
        var ledger = running()
        _ = compare(&ledger, [wanted(key, started: true), waits(second, turn: 1), waits(third, turn: 2)])
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        #expect(ledger.moveLines(mayStart: false, at: .zero, wallClock: 77).isEmpty)
        let after = [wanted(second), waits(third, turn: 2)]
        #expect(compare(&ledger, after, mayStart: false) == [.settled(key)])
        #expect(move(&ledger).isEmpty)
        #expect(compare(&ledger, after) == [.start(second)])
        #expect(move(&ledger).isEmpty)
    }

    @Test("reports go at once, but gather for a moment while tasks follow each other by themselves")
    func reportsGather() {
        var ledger = running()
        #expect(ledger.hasReportsToTake(at: .zero))
        _ = ledger.takeReports(as: request, at: .zero)
        ledger.answered(request)
        _ = compare(&ledger, [wanted(key, started: true), waits(second, turn: 1), waits(third, turn: 2)])
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        #expect(move(&ledger) == [.start(second)])
        #expect(!ledger.hasReportsToTake(at: .zero))
        let due = Instant.zero + NodeConstants.reportPause
        #expect(ledger.nextDeadline == due)
        #expect(ledger.hasReportsToTake(at: due))
        ledger.heard(AttemptReport(attempt: second, kind: .ended(.exited(0)), at: 3))
        #expect(move(&ledger) == [.start(third)])
        #expect(ledger.hasReportsToTake(at: .zero), "nobody waits any more who goes on without the log")
    }

    @Test("what waits for long is given back, and what is cancelled while it waits never begins")
    func givenBack() {
        var ledger = running()
        _ = ledger.takeReports(as: request)
        ledger.answered(request)
        _ = compare(&ledger, [wanted(key, started: true), waits(second, turn: 1)])
        #expect(ledger.nextDeadline == Instant.zero + NodeConstants.aheadPatience)
        #expect(move(&ledger, at: .zero + NodeConstants.aheadPatience).isEmpty)
        let reports = ledger.takeReports(as: request)?.map { "\($0.attempt) \($0.kind)" } ?? []
        #expect(reports.last == "\(second) \(AttemptReportKind.ended(.returned))")
        ledger.answered(request)
        _ = compare(&ledger, [wanted(key, started: true), waits(third, turn: 1)])
        _ = compare(&ledger, [wanted(key, started: true, cancelled: true), waits(third, turn: 1, cancelled: true)])
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.cancelled), at: 3))
        #expect(move(&ledger).isEmpty)
        #expect(ledger[third]?.phase == .ended)
    }

    @Test("what started and is held by no supervisor is reported lost and never begun anew")
    func lostSupervisor() {
        var ledger = AttemptLedger()
        #expect(compare(&ledger, [wanted(key, started: true)]).isEmpty)
        let reports = ledger.takeReports(as: request)
        #expect(reports == [AttemptReport(attempt: key, kind: .ended(.lost), at: 77)])
        #expect(compare(&ledger, [wanted(key, started: true)]).isEmpty)
        #expect(ledger.isIdle)
    }

    @Test("what a supervisor held through a restart of the daemon goes on and is not started again")
    func adopted() {
        var ledger = AttemptLedger()
        ledger.adopt(AdoptedAttempt(key: key, at: 5))
        #expect(compare(&ledger, [wanted(key, started: true)]).isEmpty)
        #expect(ledger[key]?.phase == .running)
        #expect(ledger.takeReports(as: request) == [AttemptReport(attempt: key, kind: .running, at: 5)])
    }

    @Test("what ended while no daemon was there is reported with its outcome")
    func adoptedEnded() {
        var ledger = AttemptLedger()
        ledger.adopt(AdoptedAttempt(key: key, outcome: .exited(3), at: 6))
        #expect(ledger.isIdle)
        #expect(ledger.takeReports(as: request) == [AttemptReport(attempt: key, kind: .ended(.exited(3)), at: 6)])
    }

    @Test("an end is reported once, and settled when the state knows it")
    func ended() {
        var ledger = running()
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        #expect(ledger.takeReports(as: request)?.count == 2)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 2)) == nil, "one entry of reports at a time")
        #expect(compare(&ledger, [wanted(key, started: true)]).isEmpty, "the state does not know yet")
        ledger.answered(RequestID(high: 9, low: 9))
        #expect(!ledger.hasReportsToTake(at: .zero))
        ledger.answered(request)
        #expect(!ledger.hasReportsToTake(at: .zero))
        #expect(compare(&ledger, []) == [.settled(key)])
        #expect(ledger[key] == nil)
        #expect(compare(&ledger, []).isEmpty)
    }

    @Test("after its end an attempt neither runs nor ends again, whatever its supervisor says")
    func endedForGood() {
        var ledger = running()
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        ledger.heard(AttemptReport(attempt: key, kind: .running, at: 3))
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.lost), at: 4))
        #expect(ledger[key]?.phase == .ended)
        #expect(ledger.takeReports(as: request)?.map(\.at) == [1, 2])
    }

    @Test("reports that came while others were under way follow in the next entry")
    func laterReports() {
        var ledger = running()
        #expect(ledger.takeReports(as: request)?.map(\.kind) == [.running])
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2))
        ledger.answered(request)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 2))?.map(\.kind) == [.ended(.exited(0))])
    }

    @Test("what is said of an attempt that nobody holds is not passed on")
    func stranger() {
        var ledger = AttemptLedger()
        ledger.heard(AttemptReport(attempt: key, kind: .running, at: 1))
        #expect(!ledger.hasReportsToTake(at: .zero))
    }

    @Test("a replaced attempt is stopped once, and holds back the lease of its job until it is gone")
    func superseded() {
        var ledger = running()
        #expect(ledger.jobsHeldBack.isEmpty)
        #expect(ledger.superseded(key) == .stop(key, .superseded))
        #expect(ledger.superseded(key) == nil)
        #expect(ledger.jobsHeldBack == [1])
        #expect(compare(&ledger, []).isEmpty, "it is being stopped")
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.cancelled), at: 2))
        #expect(ledger.jobsHeldBack.isEmpty)
        #expect(compare(&ledger, []) == [.settled(key)])
    }

    @Test("what has no place here any more is stopped as replaced")
    func withoutPlace() {
        var ledger = running()
        #expect(compare(&ledger, []) == [.stop(key, .superseded)])
        #expect(ledger.jobsHeldBack == [1])
    }

    @Test("a replacement stops at once what was being cancelled with its grace time")
    func cancelledThenSuperseded() {
        var ledger = running()
        #expect(compare(&ledger, [wanted(key, started: true, cancelled: true)]) == [.stop(key, .cancelled)])
        #expect(compare(&ledger, [wanted(key, started: true, cancelled: true)]).isEmpty)
        #expect(ledger.jobsHeldBack.isEmpty)
        #expect(ledger.superseded(key) == .stop(key, .superseded))
    }

    @Test("a job that is cancelled before its attempt began is reported cancelled without starting")
    func cancelledBeforeStart() {
        var ledger = AttemptLedger()
        #expect(compare(&ledger, [wanted(key, cancelled: true)], mayStart: false).isEmpty)
        #expect(ledger.takeReports(as: request)?.map(\.kind) == [.ended(.cancelled)])
        #expect(compare(&ledger, [wanted(key, cancelled: true)]).isEmpty)
    }

    @Test("a node that leaves starts nothing and gives back what runs")
    func leaving() {
        var ledger = running()
        let other = AttemptKey(job: 2, task: 0, attempt: 1)
        let steps = compare(&ledger, [wanted(key, started: true), wanted(other)], isLeaving: true)
        #expect(steps == [.stop(key, .superseded)])
        #expect(ledger[other] == nil)
        ledger.heard(AttemptReport(attempt: key, kind: .ended(.lost), at: 2))
        #expect(ledger.isIdle)
    }

    @Test("an entry holds a bounded number of reports")
    func boundedReports() {
        var ledger = AttemptLedger()
        let count = NodeConstants.reportsPerEntry + 1
        for task in 0..<UInt32(count) {
            ledger.adopt(AdoptedAttempt(key: AttemptKey(job: 1, task: task, attempt: 1), at: 0))
        }
        #expect(ledger.takeReports(as: request)?.count == NodeConstants.reportsPerEntry)
        ledger.answered(request)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 2))?.count == 1)
    }
}
