import Codec
import Testing

@testable import Mesh
@testable import Simulation

@Suite("What one node of a gossiping mesh believes")
struct SwimCoreTests {
    private typealias Subject = SwimSubject
    private static let me = SwimSubject.me
    private static let owl = SwimSubject.owl
    private static let crow = SwimSubject.crow
    private static let heron = SwimSubject.heron

    private static func version(_ incarnation: UInt32, generation: UInt64 = 1) -> SwimVersion {
        SwimVersion(generation: generation, incarnation: incarnation)
    }

    private static func say(
        _ author: NodeID, _ subject: NodeID, _ state: MemberState, _ incarnation: UInt32
    ) -> SwimRumour { SwimSubject.say(author, subject, state, version(incarnation)) }

    @Test(
        "a number far beyond what is known is not believed from others, and is from the member itself (memberlist#358)")
    func jumps() {
        var subject = Subject()
        let far = SwimConstants.incarnationMax
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .dead, far)])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.member(Self.owl)?.version.incarnation == 2)
        let own = subject.core.version
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.me, .suspect, far)])
        #expect(subject.core.version == own)
        #expect(subject.core.refused.farAhead == 2)
        subject.hear(Self.owl, Self.version(1 << 30))
        #expect(subject.core.member(Self.owl)?.version.incarnation == 1 << 30)
    }

    @Test("a life that its owner never began is not believed, so that nobody can be locked out (memberlist#359)")
    func foreignLives() {
        var subject = Subject()
        let later = SwimVersion(generation: SwimConstants.generationMax)
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.owl, .dead, later)])
        #expect(subject.core.member(Self.owl)?.version == Self.version(2))
        subject.hear(Self.owl, Self.version(0, generation: 2))
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.member(Self.owl)?.version.generation == 2)
    }

    @Test("a death of a later incarnation outlasts an alive of an earlier one that comes late (al8n/memberlist#157)")
    func resurrection() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .dead, 10)])
        subject.pass(.seconds(5))
        #expect(subject.sees(Self.owl) == .dead)
        subject.hear(Self.crow, tells: [Self.say(Self.owl, Self.owl, .alive, 4)])
        #expect(subject.sees(Self.owl) == .dead)
        #expect(subject.core.member(Self.owl)?.version.incarnation == 10)
    }

    @Test("a suspicion of a later incarnation raises what is known, and an earlier alive does not end it (al8n#197)")
    func accusedLater() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .suspect, 10)])
        #expect(subject.core.member(Self.owl)?.version.incarnation == 10)
        subject.hear(Self.crow, tells: [Self.say(Self.owl, Self.owl, .alive, 4)])
        #expect(subject.sees(Self.owl) == .suspect)
        subject.hear(Self.crow, tells: [Self.say(Self.owl, Self.owl, .alive, 11)])
        #expect(subject.sees(Self.owl) == .alive)
    }

    @Test(
        "after a restart of all, what is told of earlier lives neither kills nor hides anybody (memberlist#311, #345)")
    func earlierLives() {
        var subject = Subject()
        subject.hear(Self.owl, Self.version(0, generation: 2))
        for state in [MemberState.alive, .suspect, .dead] {
            let author = state == .alive ? Self.owl : Self.crow
            subject.hear(Self.crow, tells: [Self.say(author, Self.owl, state, 900)])
            #expect(subject.sees(Self.owl) == .alive)
            #expect(subject.core.member(Self.owl)?.version == Self.version(0, generation: 2))
        }
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.owl, .suspect, Self.version(0, generation: 2))])
        #expect(subject.sees(Self.owl) == .suspect)
    }

    @Test("a death told by one node is a suspicion first, so that the member can object")
    func doubt() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .dead, 2)])
        #expect(subject.sees(Self.owl) == .suspect)
        subject.hear(Self.owl, Self.version(3))
        #expect(subject.sees(Self.owl) == .alive)
        // Without a word of its own it is dead after the shortest time.
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .dead, 3)])
        subject.pass(SwimConstants.suspicionMin + .milliseconds(1))
        #expect(subject.sees(Self.owl) == .dead)
    }

    @Test("a death that its member has refuted already is passed to the member and to nobody else")
    func staleDeath() {
        var subject = Subject()
        subject.hear(Self.owl, Self.version(5))
        let stale = Self.say(Self.crow, Self.owl, .dead, 3)
        subject.hear(Self.crow, tells: [stale])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.sent.filter { $0.message.rumours.contains(stale) }.map(\.to) == [Self.owl])
    }

    @Test("a node that starts believes the deaths it is told of: it never heard those members")
    func longDead() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.heron, .dead, 5)])
        #expect(subject.sees(Self.heron) == .dead)
    }

    @Test("a node that hears its own words changes nothing (serf#336)")
    func ownWords() {
        var subject = Subject()
        let own = subject.core.version
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.me, Self.me, .alive, own)])
        #expect(subject.core.version == own)
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.me, .suspect, own)])
        #expect(subject.core.version.incarnation == own.incarnation + 1)
        // The same accusation again is answered already.
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.me, .suspect, own)])
        #expect(subject.core.version.incarnation == own.incarnation + 1)
    }

    @Test("a node that is told of its death begins a new life, as its member: identity is key, generation and renewal")
    func renewal() {
        var subject = Subject()
        let own = subject.core.version
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.me, .dead, own)])
        #expect(subject.core.version.generation == own.generation)
        #expect(subject.core.version.renewal == own.renewal + 1)
    }

    @Test("a node whose clock went back goes on above the life that others remember")
    func clockBack() {
        var subject = Subject()
        let earlier = Self.version(7, generation: 50)
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.me, Self.me, .alive, earlier)])
        #expect(subject.core.version > earlier)
    }

    @Test("a member that is known from a saved list is known in the life that it had, its death included")
    func saved() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.heron, .dead, 5)])
        var again = Subject(hearsAll: false)
        again.handle(.restore(subject.core.saved))
        #expect(again.sees(Self.heron) == .dead)
        #expect(again.core.member(Self.owl)?.version == Self.version(2))
        #expect(again.core.version > subject.core.version)
    }

    @Test("every confirmation shortens a suspicion by Lifeguard's logarithm, and an accuser counts once")
    func confirmations() throws {
        var subject = Subject(others: 12)
        let longest = SwimConstants.suspicionMin * SwimConstants.suspicionMaxFactor
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .suspect, 2)])
        for count in 0...3 {
            if count > 0 {
                let author = NodeID(UInt64(5 + count))
                for _ in 0..<2 { subject.hear(Self.crow, tells: [Self.say(author, Self.owl, .suspect, 2)]) }
            }
            let suspicion = try #require(subject.core.suspicions[Self.owl])
            // max - (max - min) * log(c + 1) / log(k + 1), with k = 3: half a bit for each doubling.
            let share = [0, 0.5, 0.792, 1][count]
            let wanted = longest.seconds - (longest - SwimConstants.suspicionMin).seconds * share
            #expect(abs((subject.core.deadline(of: suspicion) - suspicion.startedAt).seconds - wanted) < 0.001)
            #expect(suspicion.words.count == count + 1)
        }
    }

    @Test("nobody sentences by hearsay: it calls the suspect first, by datagram and session, and an answer saves it")
    func lastCall() {
        func play(answers: Bool) -> MemberState? {
            var subject = Subject(others: 12)
            subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .suspect, 2)])
            var called: [SwimPath: Instant] = [:]
            while subject.sees(Self.owl) == .suspect, subject.now < .zero + .seconds(20) {
                subject.step()
                for sent in subject.sent where sent.to == Self.owl {
                    guard case .ping(let number) = sent.message.kind else { continue }
                    called[sent.path] = subject.now
                    let isCall = subject.core.suspicions[Self.owl].map { $0.calls > 0 } ?? false
                    if answers, isCall { subject.hear(Self.owl, Self.version(3), .ack(number)) }
                }
            }
            for path in [SwimPath.datagram, .stream] {
                #expect(called[path].map { subject.now - $0 <= SwimConstants.lastCallTime } ?? false)
            }
            return subject.sees(Self.owl)
        }
        #expect(play(answers: false) == .dead)
        #expect(play(answers: true) == .alive)
    }

    @Test("who accuses a member says so to it at once, over its session")
    func toldAtOnce() throws {
        var subject = Subject()
        for _ in 0..<200 where subject.core.suspicions[Self.owl] == nil { subject.step() }
        let accusation = try #require(subject.core.suspicions[Self.owl]?.words.first)
        let told = subject.sent.filter { $0.to == Self.owl && $0.path == .stream && $0.message.kind == .gossip }
        #expect(told.map(\.message.rumours) == [[.state(accusation)]])
    }

    @Test("a suspect hears first of all that it is one, whatever else there is to tell (memberlist#84)")
    func buddy() throws {
        var subject = Subject(others: 40)
        for number in UInt64(10)...40 {
            subject.handle(
                .received(from: NodeID(number), .init(kind: .gossip, version: Self.version(1)), over: .datagram))
            subject.hear(Self.crow, tells: [SwimSubject.facts(NodeID(number), [UInt8](repeating: 7, count: 400))])
        }
        subject.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .suspect, 2)])
        subject.hear(Self.owl, Self.version(2), .ping(77))
        let ack = try #require(subject.sent.first { $0.message.kind == .ack(77) })
        #expect(ack.message.rumours.first == Self.say(Self.crow, Self.owl, .suspect, 2))
        #expect(ack.message.encoded().count <= SwimConstants.messageBytesMax)
    }

    @Test("a ping without answer in time is sent inside the session too, and an answer takes the way of its question")
    func streamFallback() {
        var subject = Subject()
        var pings: [SwimPath] = []
        for _ in 0..<200 where !pings.contains(.stream) {
            subject.step()
            for sent in subject.sent where sent.to == Self.owl {
                if case .ping = sent.message.kind { pings.append(sent.path) }
            }
        }
        #expect(pings.first == .datagram)
        #expect(pings.contains(.stream))
        subject.hear(Self.crow, Self.version(2), .ping(5), over: .stream)
        #expect(subject.sent.contains { $0.to == Self.crow && $0.message.kind == .ack(5) && $0.path == .stream })
    }

    @Test("a probe that fails while every helper says that it is there is no sign of bad hearing (Lifeguard's nack)")
    func nacks() {
        var silent = Subject()
        silent.pass(.seconds(3))
        #expect(silent.core.health > 0)
        var helped = Subject()
        for _ in 0..<80 {
            helped.step()
            // Only owl is silent: the others answer at once, and for it when they are asked.
            for sent in helped.sent where sent.to != Self.owl {
                switch sent.message.kind {
                case .ping(let number): helped.hear(sent.to, Self.version(2), .ack(number))
                case .pingRequest(let number, _): helped.hear(sent.to, Self.version(2), .nack(number))
                default: break
                }
            }
        }
        #expect(helped.sees(Self.owl) != .alive)
        #expect(helped.core.health == 0)
    }

    @Test("who hears badly probes less often and waits longer, up to four times")
    func health() {
        var subject = Subject(others: 60)
        subject.pass(.seconds(20))
        #expect(subject.core.health == SwimConstants.healthMax)
        var longest = Interval.zero
        let end = subject.now + .seconds(10)
        while subject.now < end {
            subject.step()
            longest = max(longest, subject.core.nextProbe - subject.now)
            #expect(subject.core.probes.allSatisfy { $0.deadline - $0.sentAt >= SwimConstants.probeTimeout * 4 })
        }
        #expect(longest > SwimConstants.probeInterval * SwimConstants.healthMax)
    }

    @Test(
        "comparisons come as often as memberlist's push-pull scaling says, and rumours end after a logarithm of sends")
    func scaling() {
        for (count, scale) in [(10, 1), (100, 3), (1_000, 6), (10_000, 10)] {
            var subject = Subject(others: UInt64(count))
            #expect(subject.core.syncScale == Int64(scale))
            #expect(subject.core.rumourSendsMax == 4 * String(count).count + 4)
            subject.pass(.zero)
        }
    }

    @Test("helpers are asked as soon as an answer is later than that member's answers usually are")
    func roundTrips() throws {
        var subject = Subject()
        var helped: Interval?
        var answered = 0
        for _ in 0..<4_000 where helped == nil {
            guard let due = subject.core.nextDeadline else { break }
            subject.now = max(subject.now, due)
            subject.handle(.timer)
            var sent = subject.effects[...]
            let answeredAt = subject.now + .milliseconds(2)
            while let effect = sent.popFirst() {
                guard case .send(let peer, let message, _) = effect, case .ping(let number) = message.kind,
                    peer == Self.crow || answered < 20
                else { continue }
                if peer == Self.owl { answered += 1 }
                subject.now = answeredAt
                subject.hear(peer, Self.version(2), .ack(number))
                sent += subject.effects
            }
            guard answered == 20, let probe = subject.core.probes.first(where: { $0.target == Self.owl }) else {
                continue
            }
            helped = probe.helpersDue.map { $0 - probe.sentAt }
        }
        let trip = try #require(subject.core.member(Self.owl)?.roundTrip)
        #expect(trip.mean == .milliseconds(2))
        // Not before the least time, and long before the time for strangers.
        #expect(try #require(helped) >= SwimConstants.directTimeoutMin)
        #expect(try #require(helped) < SwimConstants.directTimeout)
    }

    @Test("what was told least goes first, then what is newest, and nothing more often than its limit")
    func order() {
        var queue = RumourQueue()
        func rumour(_ topic: RumourQueue.Topic) -> SwimRumour? { Self.say(topic.subject, topic.subject, .alive, 1) }
        for number in 1...3 { queue.add(RumourQueue.Topic(NodeID(UInt64(number)))) }
        let two = Self.say(Self.owl, Self.owl, .alive, 1).byteCount * 2
        var sent: [[UInt64]] = []
        while !queue.isEmpty {
            var taken: [SwimRumour] = []
            queue.take(byteCountMax: two, sendsMax: 2, appendingTo: &taken, rumour: rumour)
            sent.append(taken.map(\.subject.rawValue))
        }
        #expect(sent == [[3, 2], [1, 3], [2, 1]])
    }

    @Test("news are told to three members every 100 ms, beside all probes, and to nobody when all is said")
    func gossipTick() {
        var subject = Subject(others: 40)
        subject.hear(Self.crow, tells: [SwimSubject.facts(Self.owl, [1])])
        var ticks: [Instant] = []
        while subject.now < .zero + .seconds(2) {
            subject.step()
            // What goes over a session is for a suspect alone.
            let told = subject.sent.filter { $0.message.kind == .gossip && $0.path == .datagram }
            guard !told.isEmpty else { continue }
            ticks.append(subject.now)
            #expect(told.count <= SwimConstants.gossipFanout && Set(told.map(\.to)).count == told.count)
            #expect(told.allSatisfy { !$0.message.rumours.isEmpty })
        }
        #expect(ticks.count >= 2)
        #expect(zip(ticks, ticks.dropFirst()).allSatisfy { $1 - $0 >= SwimConstants.gossipInterval })
        #expect(subject.core.rumours.isEmpty || (ticks.last ?? .zero) > .zero + .milliseconds(1_800))
    }

    @Test("an accused member objects with the incarnation after its accuser's, and is alive again for who hears that")
    func objection() throws {
        var accused = Subject()
        let before = accused.core.version
        accused.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.me, .suspect, before)])
        #expect(accused.core.version.incarnation == before.incarnation + 1)
        accused.hear(Self.crow, Self.version(2), .ping(9))
        let answer = try #require(accused.sent.first { $0.message.kind == .ack(9) })
        #expect(answer.message.rumours.contains { $0.subject == Self.me && $0.isSigned })
        var other = Subject()
        other.hear(Self.crow, tells: [Self.say(Self.crow, Self.owl, .suspect, 2)])
        #expect(other.sees(Self.owl) == .suspect)
        other.hear(Self.crow, tells: [Self.say(Self.owl, Self.owl, .alive, 3)])
        #expect(other.sees(Self.owl) == .alive)
        #expect(other.core.suspicions.isEmpty)
    }

    @Test("every member is probed once in a pass, in another order in each, also where members come and go")
    func passes() {
        var generator = SeededGenerator(seed: 5)
        var order = ProbeOrder()
        let ids = (1...37).map { NodeID(UInt64($0)) }
        var passes: [[NodeID]] = []
        for _ in 0..<20 { passes.append(ids.compactMap { _ in order.next(ids, &generator) }) }
        #expect(passes.allSatisfy { $0.sorted() == ids })
        #expect(Set(passes).count == 20)
        let begun = (0..<10).compactMap { _ in order.next(ids, &generator) }
        let later = Array(ids.dropFirst(5)) + [NodeID(90), NodeID(91)]
        order.change(from: ids, to: later, &generator)
        let rest = (0..<order.remaining).compactMap { _ in order.next(later, &generator) }
        #expect(rest.sorted() == later.filter { !begun.contains($0) })
    }
}
