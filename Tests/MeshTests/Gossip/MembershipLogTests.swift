import Codec
import Testing

@testable import Mesh

@Suite("The stream of membership events")
struct MembershipLogTests {
    private static func event(_ number: UInt64) -> MembershipEvent {
        MembershipEvent(
            instant: .zero, member: NodeID(number), version: SwimVersion(generation: 1), kind: .joined)
    }

    private static func log(capacity: Int, events: UInt64) -> MembershipLog {
        var log = MembershipLog(capacity: capacity)
        for number in 0..<events { log.add(event(number + 1)) }
        return log
    }

    @Test("a consumer that keeps up reads every event once, in order")
    func inOrder() {
        var log = MembershipLog(capacity: 4)
        var last = log.last
        var seen: [UInt64] = []
        for number in UInt64(1)...50 {
            log.add(Self.event(number))
            guard number % 3 == 0 else { continue }
            let reading = log.read(after: last)
            #expect(reading.missed == 0)
            seen += reading.events.map(\.member.rawValue)
            last = reading.last
        }
        #expect(seen == Array(1...48))
    }

    @Test("a consumer that lags is told how many events it has missed, and goes on with what is kept")
    func gap() {
        let log = Self.log(capacity: 4, events: 10)
        let reading = log.read(after: 3)
        #expect(reading.missed == 3)
        #expect(reading.events.map(\.member.rawValue) == [7, 8, 9, 10])
        #expect(reading.last == 10)
        #expect(log.read(after: 10) == MembershipLog.Reading(missed: 0, events: [], last: 10))
    }

    @Test("a long reading can be had in pieces")
    func pieces() {
        let log = Self.log(capacity: 8, events: 12)
        let first = log.read(after: 0, countMax: 3)
        #expect(first == MembershipLog.Reading(missed: 4, events: [5, 6, 7].map(Self.event), last: 7))
        let second = log.read(after: first.last, countMax: 3)
        #expect(second == MembershipLog.Reading(missed: 0, events: [8, 9, 10].map(Self.event), last: 10))
    }

    @Test("a number of an earlier daemon reads as a gap")
    func strangeNumber() {
        let reading = Self.log(capacity: 4, events: 6).read(after: 1_000)
        #expect(reading.missed == 2)
        #expect(reading.events.map(\.member.rawValue) == [3, 4, 5, 6])
    }
}
