import Codec
import Testing

@testable import Node

@Suite("One key in two places")
struct TwinWatchTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant.zero + .milliseconds(milliseconds) }

    @Test("a process that is heard long after a later one began is one of two, wherever both are")
    func both() {
        var watch = TwinWatch()
        watch.heard(1, at: "10.0.0.1:1", at(0))
        watch.heard(2, at: "10.0.0.2:1", at(60_000))
        watch.heard(1, at: "10.0.0.1:1", at(62_999))
        #expect(watch.twins == nil)
        watch.heard(1, at: "10.0.0.1:1", at(63_000))
        #expect(watch.twins == TwinWatch.Twins(addresses: ["10.0.0.1:1", "10.0.0.2:1"], at: at(60_000)))
        watch.heard(2, at: "10.0.0.2:1", at(65_000))
        watch.heard(1, at: "10.0.0.1:1", at(66_000))
        #expect(watch.twins?.at == at(65_000))
    }

    @Test("a process that is started again, however often and from whatever copy, is one")
    func restarts() {
        var watch = TwinWatch()
        for life in 0..<20 {
            // Each start has a number of its own; the one before is heard no more.
            let start = Int64(life) * 10_000
            for heard in stride(from: start, to: start + 9_500, by: 500) {
                watch.heard(UInt64(life + 1), at: "10.0.0.1:1", at(heard))
                #expect(watch.twins == nil)
            }
        }
    }

    @Test("one that moves, and one whose dials cross those of the other side, is one")
    func moves() {
        var watch = TwinWatch()
        for second in 0..<60 {
            watch.heard(1, at: second % 2 == 0 ? "10.0.0.1:1" : "192.168.1.7:9", at(Int64(second) * 1_000))
            #expect(watch.twins == nil && !watch.hasSeveral)
        }
    }

    @Test("what lay unread of a process that has ended is no second one")
    func backlog() {
        var watch = TwinWatch()
        watch.heard(1, at: "a", at(0))
        // This process stood still for an hour; then it reads, the newest first.
        watch.heard(2, at: "a", at(3_600_000))
        watch.heard(1, at: "a", at(3_600_200))
        watch.heard(2, at: "a", at(3_700_000))
        #expect(watch.twins == nil)
    }

    @Test("programs that say no number are not taken for each other, nor for one that comes back after another")
    func unknown() {
        var watch = TwinWatch()
        watch.heard(TwinWatch.unknown, at: "a", at(0))
        watch.heard(1, at: "a", at(10_000))
        // The program before was put back.
        watch.heard(TwinWatch.unknown, at: "a", at(20_000))
        watch.heard(TwinWatch.unknown, at: "a", at(40_000))
        #expect(watch.twins == nil)
        // One that says a number is heard beside it.
        watch.heard(1, at: "a", at(44_000))
        #expect(watch.twins != nil)
    }

    @Test("of two that take each other's place again and again it is seen, too")
    func turns() {
        var watch = TwinWatch()
        var seen: Int64?
        for turn in 0..<100 where seen == nil {
            watch.heard(UInt64(1 + turn % 2), at: "\(turn % 2)", at(Int64(turn) * 200))
            if watch.twins != nil { seen = Int64(turn) * 200 }
        }
        #expect(seen.map { $0 >= 3_000 && $0 < 4_000 } ?? false)
    }

    @Test("only so many starts are remembered, the newest")
    func bounded() {
        var watch = TwinWatch()
        for life in 1...1_000 { watch.heard(UInt64(life), at: "a", at(Int64(life))) }
        #expect(watch.twins == nil)
        watch.heard(1_000, at: "a", at(9_000))
        watch.heard(999, at: "a", at(9_000))
        #expect(watch.twins != nil)
    }
}

@Suite("How often an alarm is raised")
struct AlarmMeterTests {
    @Test("once in a while about the same, with the number of those passed over, and at once about something else")
    func pause() {
        var meter = AlarmMeter()
        let start = Instant.zero + .seconds(10)
        #expect(meter.raise("a", pause: .seconds(60), now: start) == 0)
        for second in 1..<60 {
            #expect(meter.raise("a", pause: .seconds(60), now: start + .seconds(Int64(second))) == nil)
        }
        #expect(meter.raise("b", pause: .seconds(60), now: start + .seconds(1)) == 0)
        #expect(meter.raise("a", pause: .seconds(60), now: start + .seconds(60)) == 59)
        #expect(meter.raise("a", pause: .seconds(60), now: start + .seconds(500)) == 0)
    }

    @Test("however many subjects somebody thinks of, the alarms are bounded")
    func subjects() {
        var meter = AlarmMeter()
        let raised = (0..<10_000).count { meter.raise("\($0)", pause: .seconds(60), now: .zero + .seconds(1)) != nil }
        #expect(raised == AlarmMeter.subjectsMax)
    }
}

@Suite("Own words that somebody else says")
struct OwnWordsTests {
    @Test("a few, or some now and then, are of former processes; eight within ten minutes are not")
    func window() {
        var words = OwnWords()
        let times = (0..<8).map { Instant.zero + .seconds(Int64($0)) }
        #expect(times.map { words.overtaken(at: $0) } == Array(repeating: false, count: 7) + [true])
        var slow = OwnWords()
        #expect((0..<100).allSatisfy { !slow.overtaken(at: .zero + .seconds(Int64($0) * 90)) })
    }
}
