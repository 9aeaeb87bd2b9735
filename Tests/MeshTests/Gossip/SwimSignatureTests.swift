import Codec
import Testing
import Tokens

@testable import Mesh
@testable import Simulation

@Suite("Who may say what in a gossiping mesh")
struct SwimSignatureTests {
    private typealias Subject = SwimSubject
    private static let owl = SwimSubject.owl
    private static let crow = SwimSubject.crow
    private static let later = SwimVersion(generation: 1, incarnation: 3)

    /// Everything that leaves in the next two seconds.
    private func spread(_ subject: inout SwimSubject) -> [SwimRumour] {
        var rumours: [SwimRumour] = []
        let end = subject.now + .seconds(2)
        while subject.now < end {
            subject.step()
            rumours += subject.sent.flatMap(\.message.rumours)
        }
        return rumours
    }

    @Test("facts that were altered on the way are refused, counted, and never passed on")
    func alteredFacts() {
        var subject = Subject()
        guard case .facts(let genuine) = SwimSubject.facts(Self.owl, [1, 2, 3]) else { return }
        let altered = SwimRumour.facts(
            SwimFacts(subject: Self.owl, version: genuine.version, bytes: [1, 2, 4], signature: genuine.signature))
        subject.hear(Self.crow, tells: [altered])
        #expect(subject.core.member(Self.owl)?.facts == [])
        #expect(subject.core.refused.forged == 1)
        #expect(!spread(&subject).contains(altered))
        subject.hear(Self.crow, tells: [.facts(genuine)])
        #expect(subject.core.member(Self.owl)?.facts == [1, 2, 3])
        #expect(spread(&subject).contains(.facts(genuine)))
    }

    @Test("an accusation under a false signature is refused, counted and never passed on, and ends its message")
    func forgedAccusation() {
        var subject = Subject()
        guard case .state(let genuine, _) = SwimSubject.say(Self.crow, Self.owl, .suspect, Self.later) else { return }
        let forged = SwimRumour.state(
            SwimWord(
                author: SwimSubject.heron, subject: Self.owl, version: Self.later, state: .suspect,
                signature: genuine.signature))
        let behind = SwimSubject.facts(Self.owl, [9])
        subject.hear(Self.crow, tells: [forged, behind])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.refused.forged == 1)
        #expect(subject.core.member(Self.owl)?.facts == [])
        #expect(!spread(&subject).contains(forged))
    }

    @Test(
        "what a former process said, whose clock was ahead, is overtaken once; a living one with the same key for ever")
    func twins() {
        // A new process, whose clock was set back, hears what others know of those before it, the oldest last.
        var subject = Subject()
        let former = [
            SwimVersion(generation: 9), SwimVersion(generation: 9, incarnation: 4), SwimVersion(generation: 7),
            SwimVersion(generation: 3, renewal: 2),
        ]
        for version in former {
            for _ in 0..<5 {
                subject.hear(Self.crow, tells: [SwimSubject.say(SwimSubject.me, SwimSubject.me, .alive, version)])
            }
        }
        #expect(subject.core.overtaken == 1 && subject.core.version.generation == 9)
        // Accusations are no words of its own, and what is not signed by it neither.
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, SwimSubject.me, .suspect, subject.core.version)])
        #expect(subject.core.overtaken == 1)
        // The other one objects to each objection.
        for round in 0..<20 {
            var version = subject.core.version
            version.renewal += 1
            subject.hear(Self.crow, tells: [SwimSubject.say(SwimSubject.me, SwimSubject.me, .alive, version)])
            #expect(subject.core.overtaken == UInt64(round) + 2)
        }
    }

    @Test("nobody raises the version of another, not even with a signature of its own")
    func foreignWord() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.crow, Self.owl, .alive, Self.later)])
        #expect(subject.core.member(Self.owl)?.version.incarnation == 2)
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.owl, Self.owl, .suspect, Self.later)])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.refused.presumed == 2)
    }

    @Test("a word of somebody who is no member counts for nothing")
    func strangers() {
        var subject = Subject()
        subject.hear(Self.crow, tells: [SwimSubject.say(NodeID(77), Self.owl, .suspect, Self.later)])
        #expect(subject.sees(Self.owl) == .alive)
        #expect(subject.core.refused.presumed == 1)
        subject.hear(NodeID(77), tells: [SwimSubject.facts(Self.owl, [1])])
        #expect(subject.core.member(Self.owl)?.facts == [])
    }

    @Test("once everybody signs, what has no signature is refused and counted; before, it counts")
    func unsigned() {
        let bare = SwimRumour.state(
            SwimWord(author: Self.crow, subject: Self.owl, version: Self.later, state: .suspect, signature: []))
        var before = Subject(isSigning: false)
        before.hear(Self.crow, tells: [bare])
        #expect(before.sees(Self.owl) == .suspect)
        var after = Subject()
        after.hear(Self.crow, tells: [bare])
        #expect(after.sees(Self.owl) == .alive)
        #expect(after.core.refused.unsigned == 1)
    }

    @Test("what was heard only directly is believed and not passed on, until its word comes")
    func directOnly() {
        var subject = Subject()
        subject.hear(Self.owl, Self.later)
        #expect(subject.core.member(Self.owl)?.version == Self.later)
        #expect(!subject.core.canProve(Self.owl))
        subject.hear(Self.crow, tells: [SwimSubject.say(Self.owl, Self.owl, .alive, Self.later)])
        #expect(subject.core.canProve(Self.owl))
    }

    @Test("a signature fits its statement, its author and its mesh, and nothing else")
    func realSignatures() {
        let key = SigningKey(seed: [UInt8](repeating: 1, count: 32))
        let other = SigningKey(seed: [UInt8](repeating: 2, count: 32))
        let mesh = [UInt8](repeating: 3, count: 32)
        let seal = SwimSeal(signingKey: key, meshID: mesh)
        let statement = SwimStatement(
            author: Self.crow, subject: Self.owl, version: Self.later, content: .state(.suspect))
        let signature = seal.sign(statement)
        #expect(signature.count == SwimConstants.signatureBytesMax)
        #expect(seal.verify(signature, statement, key.publicKey.bytes))
        #expect(!seal.verify(signature, statement, other.publicKey.bytes))
        #expect(!seal.verify(signature, statement, []))
        let elsewhere = SwimSeal(signingKey: key, meshID: [UInt8](repeating: 4, count: 32))
        #expect(!elsewhere.verify(signature, statement, key.publicKey.bytes))
        for content in [SwimStatement.Content.state(.dead), .facts([]), .facts([1])] {
            let altered = SwimStatement(
                author: Self.crow, subject: Self.owl, version: Self.later, content: content)
            #expect(!seal.verify(signature, altered, key.publicKey.bytes))
        }
    }

    @Test("messages without signatures are those of programs of level 1, byte for byte")
    func levelOne() throws {
        let word = SwimWord(
            author: Self.crow, subject: Self.owl, version: Self.later, state: .suspect, signature: [])
        let facts = SwimFacts(subject: Self.owl, version: Self.later, bytes: [5], signature: [])
        let message = SwimMessage(kind: .gossip, version: Self.later, rumours: [.state(word), .facts(facts)])
        let version = CBOR.array([.unsigned(1), .unsigned(0), .unsigned(3)])
        var wanted = CBORMap()
        wanted[0] = .unsigned(5)
        wanted[1] = version
        wanted[2] = .array([
            .array([.unsigned(2), version, .unsigned(1), .array([.unsigned(3)]), .null]),
            .array([.unsigned(2), version, .unsigned(0), .array([]), .bytes([5])]),
        ])
        #expect(message.cbor == .map(wanted))
        let copy = try SwimMessage(encoded: message.encoded())
        #expect(copy.rumours.contains(.facts(facts)) && copy.rumours.contains(.state(word)))
    }

    @Test("the longest message that may be a datagram still fits when it is sealed")
    func budget() {
        let word = SwimSubject.facts(Self.owl, [UInt8](repeating: 1, count: SwimConstants.factBytesMax))
        #expect(word.byteCount <= SwimConstants.rumourBytesMax)
        let version = SwimVersion(
            generation: SwimConstants.generationMax, renewal: SwimConstants.renewalMax,
            incarnation: SwimConstants.incarnationMax)
        let message = SwimMessage(kind: .pingRequest(.max, target: NodeID(.max)), version: version)
        #expect(message.encoded().count <= SwimConstants.messageHeaderBytesMax)
        #expect(message.encoded().count <= message.byteCount)
    }
}
