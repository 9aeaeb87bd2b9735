import Codec
import Testing

@testable import Mesh

@Suite("Suspicions, one and hundreds")
struct SuspicionTests {
    @Test("where hundreds are suspected, datagrams carry the newest accusation of each, so that more of them fit")
    func crowded() {
        var subject = SwimSubject(others: 300)
        let version = SwimVersion(generation: 1, incarnation: 1)
        let accusers = [SwimSubject.owl, SwimSubject.crow, SwimSubject.heron]
        for accuser in accusers {
            for number in 10..<(300 as UInt64) {
                let member = NodeID(number)
                if accuser == accusers[0] {
                    subject.hear(member, version, tells: [SwimSubject.say(member, member, .alive, version)])
                }
                subject.hear(SwimSubject.owl, tells: [SwimSubject.say(accuser, member, .suspect, version)])
            }
        }
        #expect(subject.core.suspicions.count == 290)
        #expect(subject.core.checkInvariants() == nil)
        var most = 0
        while subject.now < .zero + .milliseconds(250) {
            subject.step()
            for sent in subject.sent where sent.path == .datagram {
                most = max(most, sent.message.rumours.count)
                #expect(sent.message.byteCount <= SwimConstants.messageBytesMax)
                for case .state(let word, let also) in sent.message.rumours {
                    // Whoever is suspected hears all that is said of it.
                    #expect(also.isEmpty || word.subject == sent.to)
                }
            }
        }
        #expect(most >= 9)
    }

    @Test("an objection goes before the suspicions that wait, and before them again when all were told as often")
    func objectionsFirst() {
        var queue = RumourQueue()
        let version = SwimVersion(generation: 1, incarnation: 1)
        for number in 1...3 { queue.add(RumourQueue.Topic(NodeID(UInt64(number))), goesFirst: number == 1) }
        var sent: [UInt64] = []
        while !queue.isEmpty {
            var taken: [SwimRumour] = []
            queue.take(byteCountMax: 90, sendsMax: 2, appendingTo: &taken) { topic in
                SwimSubject.say(topic.subject, topic.subject, .alive, version)
            }
            sent += taken.map(\.subject.rawValue)
        }
        #expect(sent == [1, 3, 2, 1, 3, 2])
    }

    @Test("a member that does not answer is asked again each tenth of a second, and once in the session, then accused")
    func tries() {
        var subject = SwimSubject()
        var tries: [SwimPath] = []
        while subject.sees(SwimSubject.owl) == .alive {
            subject.step()
            for sent in subject.sent where sent.to == SwimSubject.owl {
                if case .ping = sent.message.kind { tries.append(sent.path) }
            }
        }
        let late = SwimConstants.directTimeout * 2
        let again = Int(late.nanoseconds / SwimConstants.tryInterval.nanoseconds)
        #expect(tries.filter { $0 == .datagram }.count == 1 + again)
        #expect(tries.filter { $0 == .stream }.count == 1)
    }

    @Test("subjects come out in the order of their times, equal times by their numbers, and none before its time")
    func order() {
        var generator = SeededGenerator(seed: 3)
        var queue = VerdictQueue()
        var expected: [(Instant, NodeID)] = []
        for _ in 0..<500 {
            let due = Instant.zero + .milliseconds(Int64(generator.next() % 50))
            let subject = NodeID(generator.next() % 100)
            queue.add(subject, due: due)
            expected.append((due, subject))
        }
        expected.sort { $0 < $1 }
        for (due, subject) in expected {
            #expect(queue.next == due)
            #expect(queue.takeDue(at: due - .milliseconds(1)) == nil)
            #expect(queue.takeDue(at: due) == subject)
        }
        #expect(queue.next == .distantFuture)
        #expect(queue.count == 0)
    }

    @Test("what comes back from others counts as sent, but no liar can silence a rumour with it")
    func echoes() {
        func sends(echoes: Int) -> Int {
            var queue = RumourQueue()
            let topic = RumourQueue.Topic(SwimSubject.owl)
            let rumour = SwimSubject.say(
                SwimSubject.owl, SwimSubject.owl, .alive, SwimVersion(generation: 1, incarnation: 1))
            queue.add(topic)
            for _ in 0..<echoes { queue.heard(topic, echoesMax: 5) }
            var count = 0
            while !queue.isEmpty {
                var taken: [SwimRumour] = []
                queue.take(byteCountMax: 500, sendsMax: 10, appendingTo: &taken) { _ in rumour }
                count += taken.count
            }
            return count
        }
        #expect(sends(echoes: 0) == 10)
        #expect(sends(echoes: 3) == 7)
        #expect(sends(echoes: 1_000) == 5)
    }
}
