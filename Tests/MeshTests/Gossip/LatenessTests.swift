import Codec
import Testing

@testable import Mesh

@Suite("Who hears late accuses late")
struct LatenessTests {
    private static let version = SwimVersion(generation: 1, incarnation: 2)

    /// For a time every ping is answered by its target, so much later.
    private static func answer(_ subject: inout SwimSubject, after delay: Interval, for time: Interval) {
        var answers: [(due: Instant, from: NodeID, number: UInt64)] = []
        let end = subject.now + time
        while subject.now < end {
            if let first = answers.first, first.due <= subject.core.nextDeadline ?? end {
                answers.removeFirst()
                subject.now = max(subject.now, first.due)
                subject.hear(first.from, version, .ack(first.number))
            } else {
                subject.step()
            }
            for sent in subject.sent {
                if case .ping(let number) = sent.message.kind {
                    answers.append((subject.now + delay, sent.to, number))
                }
            }
        }
    }

    private static func suspects(_ subject: SwimSubject) -> Int {
        subject.core.memberIDs.count { subject.sees($0) == .suspect || subject.sees($0) == .dead }
    }

    @Test("a node that hears all answers late accuses nobody", arguments: [700, 3_000, 12_000] as [Int64])
    func late(milliseconds: Int64) {
        var subject = SwimSubject(others: 100)
        Self.answer(&subject, after: .milliseconds(milliseconds), for: .seconds(60))
        #expect(Self.suspects(subject) == 0)
    }

    @Test("once it hears in time again, a member that is silent is accused as soon as ever")
    func again() {
        var subject = SwimSubject(others: 100)
        Self.answer(&subject, after: .seconds(5), for: .seconds(30))
        #expect(subject.core.lateness.interval >= .seconds(5))
        Self.answer(&subject, after: .milliseconds(1), for: .seconds(10))
        #expect(subject.core.lateness.interval == .zero)
    }

    @Test("a node of a large mesh that hears nobody takes its time, one of a small mesh does not")
    func silence() {
        var small = SwimSubject(others: 12)
        small.pass(.seconds(20))
        #expect(Self.suspects(small) == 12)
        var large = SwimSubject(others: 100)
        large.pass(.seconds(20))
        #expect(Self.suspects(large) == 0)
        large.pass(.seconds(100))
        #expect(Self.suspects(large) > 0)
    }

    @Test("one member that answers late says nothing about this node")
    func oneSlow() {
        var lateness = Lateness()
        for _ in 0..<10 {
            lateness.heardLate(after: .seconds(9))
            lateness.heardInTime()
        }
        #expect(lateness.interval == .zero)
        lateness.heardLate(after: .seconds(9))
        lateness.heardLate(after: .seconds(9))
        #expect(lateness.interval == .seconds(9))
    }

    @Test("a member far away, whose first answers all come late, is given its time from then on")
    func farAway() throws {
        var subject = SwimSubject(others: 1)
        Self.answer(&subject, after: .milliseconds(600), for: .seconds(20))
        let trip = try #require(subject.core.member(SwimSubject.owl)?.roundTrip)
        #expect(trip.mean >= .milliseconds(590) && trip.mean <= .milliseconds(1_000), "\(trip.mean.milliseconds)")
        #expect(subject.sees(SwimSubject.owl) == .alive)
    }
}
