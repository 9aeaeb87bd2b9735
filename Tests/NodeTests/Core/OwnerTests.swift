import Codec
import Scheduler
import Testing

@testable import Node

@Suite("When the owner of a host lets jobs use it")
struct OwnerTests {
    private func signs(_ minute: Int = 0, input: Int64? = nil, load: UInt64? = nil, objection: String? = nil)
        -> OwnerSigns
    {
        OwnerSigns(
            minute: minute, lastInput: input.map { Instant.zero + .seconds($0) }, cpuMillis: load, objection: objection)
    }

    private func reasons(_ watch: inout OwnerWatch, _ looks: [(Int64, OwnerSigns)]) -> [String?] {
        var reasons: [String?] = []
        for (at, signs) in looks {
            watch.look(signs, at: Instant.zero + Interval.seconds(at))
            reasons.append(watch.reason)
        }
        return reasons
    }

    @Test("one touch closes the host at once, and it opens when nobody has touched it for as long as its rule says")
    func input() throws {
        var watch = OwnerWatch(OwnerPolicy(idle: [try #require(IdleRule("input=30s"))]))
        #expect(
            reasons(&watch, [(0, signs()), (1, signs(input: 1)), (30, signs(input: 1)), (31, signs(input: 1))])
                == [nil, "its owner is there", "its owner is there", nil])
    }

    @Test("a load of its own closes it, and it opens when there has been none for a minute")
    func load() throws {
        var watch = OwnerWatch(OwnerPolicy(idle: [try #require(IdleRule("load=0.5"))]))
        let busy = "its owner needs the processors"
        #expect(
            reasons(
                &watch,
                [
                    (0, signs()), (1, signs(load: 500)), (2, signs(load: 501)), (3, signs(load: 0)),
                    (61, signs(load: 0)), (62, signs(load: 0)),
                ]) == [nil, nil, busy, busy, busy, nil])
    }

    @Test("all rules have to find the owner away, and what a host cannot see counts as its owner")
    func all() throws {
        let rules = try ["input", "load=1"].map { try #require(IdleRule($0)) }
        var watch = OwnerWatch(OwnerPolicy(idle: rules))
        let objection = "its owner cannot be seen: /dev/input/event0: Permission denied"
        #expect(
            reasons(
                &watch,
                [(0, signs(load: 0)), (400, signs(input: 399, load: 0)), (700, signs(input: 399, load: 2_000))])
                == [nil, "its owner is there", "its owner needs the processors"])
        #expect(reasons(&watch, [(900, signs(input: 399, load: 0, objection: objection))]) == [objection])
    }

    /// A moment of a week, and whether the host is open then.
    struct Moment: Sendable {
        var day: Int
        var minute: Int
        var isOpen: Bool

        init(_ day: Int, _ minute: Int, _ isOpen: Bool) {
            self.day = day
            self.minute = minute
            self.isOpen = isOpen
        }
    }

    static let spans: [String: [Moment]] = [
        "mon-fri 19:00-07:00": [
            Moment(0, 1_139, false), Moment(0, 1_140, true), Moment(1, 419, true), Moment(1, 420, false),
            Moment(5, 419, true), Moment(5, 1_140, false), Moment(0, 10, false), Moment(6, 1_200, false),
        ],
        "sat,sun 00:00-24:00": [
            Moment(4, 1_439, false), Moment(5, 0, true), Moment(6, 1_439, true), Moment(0, 0, false),
        ],
        "12:00-13:30": [
            Moment(3, 719, false), Moment(3, 720, true), Moment(3, 809, true), Moment(3, 810, false),
        ],
        "sun 22:00-06:00": [
            Moment(6, 1_320, true), Moment(0, 359, true), Moment(0, 360, false), Moment(1, 0, false),
        ],
        "fri-mon 08:00-09:00": [
            Moment(4, 500, true), Moment(0, 500, true), Moment(1, 500, false), Moment(3, 500, false),
        ],
    ]

    @Test("hours are those of the wall, and a night belongs to the day it begins on", arguments: spans.keys.sorted())
    func hours(text: String) throws {
        let span = try #require(OpeningHours(text))
        let moments = try #require(OwnerTests.spans[text])
        for moment in moments {
            #expect(span.contains(minute: moment.day * 1_440 + moment.minute) == moment.isOpen, "\(moment)")
        }
        #expect(OpeningHours(span.text) == span)
        var watch = OwnerWatch(OwnerPolicy(hours: [span]))
        for moment in moments {
            watch.look(signs(moment.day * 1_440 + moment.minute), at: .zero)
            #expect((watch.reason == nil) == moment.isOpen)
        }
    }

    @Test(
        "what is no span and no rule is refused",
        arguments: [
            "", "19:00", "mon", "mon-fri", "monday 19:00-20:00", "mon 24:00-25:00", "mon 7:00-8:00", "mon 19:00-20:60",
            "mon- 19:00-20:00", "mon,,tue 19:00-20:00", "mon 19:00-20:00 x", "mon 19:00-20:00-21:00", "mon 24:00-07:00",
        ])
    func badHours(text: String) {
        #expect(OpeningHours(text) == nil)
    }

    @Test(
        "what is no rule is refused",
        arguments: [
            "", "input=", "input=9s", "input=x", "load", "load=", "load=-1", "load=x", "command", "command=away",
        ])
    func badRules(text: String) {
        #expect(IdleRule(text) == nil)
    }

    @Test("wishes are kept as they were said, and what was not spoken of stays")
    func wishes() throws {
        let rule = try #require(IdleRule("load=1.25"))
        let hours = try #require(OpeningHours("mon-fri 19:00-07:00"))
        let all = OwnerPolicy().changed(by: OwnerWishes(idle: [rule], hours: [hours], share: 50))
        #expect(try OwnerWishes(encoded: OwnerWishes(all).encoded()) == OwnerWishes(all))
        #expect(all.changed(by: OwnerWishes()) == all)
        #expect(all.changed(by: OwnerWishes(idle: [])).idle.isEmpty)
        #expect(OwnerWishes(idle: [rule], share: 60).flags(differingFrom: all) == ["--share 60"])
        #expect(
            OwnerWishes(all).words.map { $0.joined(separator: " ") }
                == ["--idle-only load=1.250", "--hours mon,tue,wed,thu,fri 19:00-07:00", "--share 50"])
        #expect(all.part(of: 3) == 1)
        #expect(all.part(of: 1 << 40) == 1 << 39)
    }

    @Test(
        "an owner who is back ends everything at once, also what may never be repeated and what is already asked to go")
    func eviction() {
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        func compare(_ ledger: inout AttemptLedger, _ stay: WantedAttempt.Stay, cancelled: Bool = false)
            -> [AttemptLedger.Step]
        {
            let wanted = WantedAttempt(key: key, hasStarted: true, isCancelled: cancelled, stay: stay)
            return ledger.compare(with: [wanted], mayStart: true, isLeaving: false, at: .zero, wallClock: 7)
        }
        var ledger = AttemptLedger()
        ledger.adopt(AdoptedAttempt(key: key, at: 1))
        #expect(compare(&ledger, .over) == [.stop(key, .moved)])
        #expect(compare(&ledger, .evicted) == [.stop(key, .evicted)])
        #expect(compare(&ledger, .evicted).isEmpty)
        #expect(AttemptStop.evicted.outcome(afterEnd: .signalled(9)) == .moved)
        #expect(AttemptStop.evicted.outcome(afterEnd: .exited(0)) == .exited(0))
    }

    @Test("what never began on a closed host is given back, and a closed host takes nothing new")
    func closed() throws {
        var ledger = AttemptLedger()
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        let wanted = WantedAttempt(key: key, hasStarted: false, isCancelled: false, stay: .evicted)
        #expect(ledger.compare(with: [wanted], mayStart: true, isLeaving: false, at: .zero, wallClock: 7).isEmpty)
        #expect(ledger.takeReports(as: RequestID(high: 1, low: 1))?.map(\.kind) == [.ended(.returned)])
        var capacity = Capacity(cpuMillis: 4_000, memoryBytes: 1 << 30, closed: "its owner is there")
        #expect(try Capacity(encoded: capacity.encoded()) == capacity)
        var node = NodeRecord(name: "owl", identityKey: Bytes([]), noiseKey: Bytes([]), capacity: capacity)
        #expect(!node.takesWork)
        #expect(node.mayRunWork)
        #expect(capacity.told(atLevel: 3) == capacity)
        #expect(capacity.told(atLevel: 2) == Capacity(cpuMillis: 0, memoryBytes: 0))
        capacity.closed = nil
        node.capacity = capacity
        #expect(node.takesWork)
    }
}
