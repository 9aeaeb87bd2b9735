import Codec
import Testing

@testable import Mesh

@Suite("What one node of a gossiping mesh believes")
struct SwimCoreTests {
    private static let me = NodeID(1)
    private static let owl = NodeID(2)
    private static let crow = NodeID(3)

    /// A node that knows owl and crow, both heard in generation 1.
    private struct Subject {
        var core = SwimCore(id: me, generation: 1, seed: 7, now: .zero)
        var now = Instant.zero
        var effects: [SwimEffect] = []

        init() {
            core.handle(.members([me, owl, crow, NodeID(4)]), at: now, into: &effects)
            for peer in [owl, crow] { hear(peer, SwimVersion(generation: 1, incarnation: 2)) }
        }

        mutating func hear(
            _ sender: NodeID, _ version: SwimVersion = SwimVersion(generation: 1, incarnation: 2),
            _ kind: SwimMessage.Kind = .gossip, tells rumours: [SwimRumour] = []
        ) {
            effects = []
            core.handle(
                .received(from: sender, SwimMessage(kind: kind, version: version, rumours: rumours), over: .datagram),
                at: now, into: &effects)
        }

        mutating func pass(_ interval: Interval) {
            let end = now + interval
            while let due = core.nextDeadline, due <= end {
                now = max(now, due)
                core.handle(.timer, at: now, into: &effects)
            }
            now = end
        }

        func sees(_ peer: NodeID) -> MemberState? { core.state(of: peer) }
    }

    @Test(
        "a number far beyond what is known is not believed from others, and is from the member itself (memberlist#358)")
    func jumps() {
        var subject = Subject()
        let far = SwimVersion(generation: 1, incarnation: SwimConstants.incarnationMax)
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.owl, version: far, state: .dead)])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.member(Self.owl)?.version.incarnation == 2)
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.me, version: far, state: .suspect)])
        #expect(subject.core.version.incarnation == 0)
        subject.hear(Self.owl, SwimVersion(generation: 1, incarnation: 1 << 30))
        #expect(subject.core.member(Self.owl)?.version.incarnation == 1 << 30)
    }

    @Test("a death of a later incarnation outlasts an alive of an earlier one that comes late (al8n/memberlist#157)")
    func resurrection() {
        var subject = Subject()
        let death = SwimRumour(
            subject: Self.owl, version: SwimVersion(generation: 1, incarnation: 10), state: .dead)
        subject.hear(Self.crow, tells: [death])
        subject.pass(.seconds(5))
        #expect(subject.sees(Self.owl) == .dead)
        let alive = SwimRumour(
            subject: Self.owl, version: SwimVersion(generation: 1, incarnation: 2), state: .alive)
        subject.hear(Self.crow, tells: [alive])
        #expect(subject.sees(Self.owl) == .dead)
        #expect(subject.core.member(Self.owl)?.version.incarnation == 10)
    }

    @Test("a death told by one node is a suspicion first, so that the member can object")
    func doubt() {
        var subject = Subject()
        let version = SwimVersion(generation: 1, incarnation: 2)
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.owl, version: version, state: .dead)])
        #expect(subject.sees(Self.owl) == .suspect)
        subject.hear(Self.owl, SwimVersion(generation: 1, incarnation: 3))
        #expect(subject.sees(Self.owl) == .alive)
        // Without a word of its own it is dead after the shortest time.
        subject.hear(
            Self.crow,
            tells: [SwimRumour(subject: Self.owl, version: SwimVersion(generation: 1, incarnation: 3), state: .dead)])
        subject.pass(SwimConstants.suspicionMin + .milliseconds(1))
        #expect(subject.sees(Self.owl) == .dead)
    }

    @Test("a node that starts believes the deaths it is told of: it never heard those members")
    func longDead() {
        var subject = Subject()
        let old = SwimVersion(generation: 1, incarnation: 5)
        subject.hear(Self.crow, tells: [SwimRumour(subject: NodeID(4), version: old, state: .dead)])
        #expect(subject.sees(NodeID(4)) == .dead)
    }

    @Test("a node that hears its own words changes nothing (serf#336)")
    func ownWords() {
        var subject = Subject()
        let own = subject.core.version
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.me, version: own, state: .alive)])
        #expect(subject.core.version == own)
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.me, version: own, state: .suspect)])
        #expect(subject.core.version.incarnation == own.incarnation + 1)
        // The same accusation again is answered already.
        subject.hear(Self.crow, tells: [SwimRumour(subject: Self.me, version: own, state: .suspect)])
        #expect(subject.core.version.incarnation == own.incarnation + 1)
    }

    @Test("helpers are asked as soon as an answer is later than that member's answers usually are")
    func roundTrips() throws {
        var subject = Subject()
        var helped: Interval?
        var answered = 0
        for _ in 0..<4_000 where helped == nil {
            guard let due = subject.core.nextDeadline else { break }
            subject.now = max(subject.now, due)
            subject.effects = []
            subject.core.handle(.timer, at: subject.now, into: &subject.effects)
            var sent = subject.effects[...]
            let answeredAt = subject.now + .milliseconds(2)
            while let effect = sent.popFirst() {
                guard case .send(let peer, let message, _) = effect, case .ping(let number) = message.kind,
                    peer == Self.crow || answered < 20
                else { continue }
                if peer == Self.owl { answered += 1 }
                subject.now = answeredAt
                subject.hear(peer, SwimVersion(generation: 1, incarnation: 2), .ack(number))
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
        func rumour(_ id: NodeID) -> SwimRumour? {
            SwimRumour(subject: id, version: SwimVersion(generation: 1), state: .alive)
        }
        for number in 1...3 { queue.add(NodeID(UInt64(number))) }
        let two = SwimRumour.byteCountMin * 2
        var sent: [[UInt64]] = []
        while !queue.isEmpty {
            sent.append(queue.take(byteCountMax: two, sendsMax: 2, rumour: rumour).map(\.subject.rawValue))
        }
        #expect(sent == [[3, 2], [1, 3], [2, 1]])
    }
}
