import Codec
import Testing

@testable import Mesh

@Suite("Datagrams between two members")
struct DatagramCoreTests {
    let one = NodeID(1)
    let two = NodeID(2)

    @Test("the first message goes through the session, and those after the handshake by datagram")
    func firstContact() {
        var world = DatagramWorld()
        world.say("a")
        #expect(world.heard("a", by: two).map(\.isOverSession) == [true])
        world.run(for: .milliseconds(100))
        world.say("b")
        world.say("c", from: two, to: one)
        world.run(for: .milliseconds(100))
        #expect(world.heard("b", by: two).map(\.isOverSession) == [false])
        #expect(world.heard("c", by: one).map(\.isOverSession) == [false])
        #expect(world.path(1, 2)?.outbound == .open)
        #expect(world.path(1, 2)?.inbound == .open)
        #expect(world.path(1, 2)?.roundTrip == .milliseconds(2))
    }

    @Test("what is said back soon is the answer to a message that wants one, else it gets one before its sender doubts")
    func answers() {
        var world = DatagramWorld.connected()
        for round in 0..<5 {
            world.say("question \(round)")
            world.run(for: .milliseconds(20))
            world.say("reply \(round)", from: two, to: one)
            world.run(for: .milliseconds(430))
        }
        // Five questions and their replies; now and then a reply wants to be confirmed too.
        #expect((10...12).contains(world.seen.count))
        #expect(world.path(1, 2)?.outbound == .open)
        world.run(for: .milliseconds(500))
        world.seen = []
        world.say("alone")
        world.run(for: .milliseconds(50))
        #expect(world.seen.count == 1)
        world.run(for: .seconds(1))
        #expect(world.seen.count == 2)
        #expect(world.heard("alone", by: two).map(\.isOverSession) == [false])
        #expect(world.path(1, 2)?.outbound == .open)
    }

    @Test("nothing readable of a message is on the wire, and no packet is longer than 1,200 bytes")
    func encrypted() {
        var world = DatagramWorld.connected()
        let content = [UInt8](repeating: 0x41, count: DatagramConstants.payloadBytesMax)
        world.input(.send(two, .gossip, content), to: one)
        world.input(.send(two, .gossip, content + [0x41]), to: one)
        world.run(for: .milliseconds(100))
        #expect(world.delivered.map(\.isOverSession).contains(false))
        #expect(world.delivered.filter { $0.isOverSession }.map(\.content.count) == [content.count + 1])
        #expect(world.seen.map(\.bytes.count).max() == DatagramConstants.packetBytesMax)
        let run = [UInt8](repeating: 0x41, count: 8)
        for packet in world.seen {
            #expect(!packet.bytes.indices.dropLast(8).contains { Array(packet.bytes[$0..<($0 + 8)]) == run })
        }
    }

    @Test("each copy of a packet after the first is refused, in the same life and in the next ones")
    func replay() {
        var world = DatagramWorld.connected()
        for number in 0..<50 { world.say("m\(number)") }
        world.run(for: .milliseconds(100))
        let recorded = world.seen
        for number in 0..<50 { #expect(world.heard("m\(number)", by: two).count == 1) }
        for life in 0..<4 {
            world.delivered = []
            for packet in recorded.reversed() where packet.to == two {
                world.input(.received(packet.bytes, .socket), to: two, source: one)
            }
            world.run(for: .seconds(1))
            #expect(world.delivered.isEmpty, "life \(life)")
            world.boot(life % 2 == 0 ? two : one)
            world.say("again")
            world.run(for: .seconds(3))
        }
    }

    @Test("packets that come late and out of order are all accepted, each once")
    func reordered() {
        var world = DatagramWorld.connected()
        for number in 0..<2_000 { world.input(.send(two, .gossip, Array("m\(number)".utf8)), to: one) }
        world.flying.sort { $0.bytes[5...12].lexicographicallyPrecedes($1.bytes[5...12]) }
        for (place, index) in world.flying.indices.reversed().enumerated() {
            world.flying[index].due = world.now + .milliseconds(Int64(place % 150))
        }
        world.run(for: .seconds(1))
        let texts = Set(world.delivered.filter { !$0.isOverSession }.map(\.content))
        #expect(texts.count == 2_000)
        #expect(world.delivered.filter { !$0.isOverSession }.count == 2_000)
    }

    @Test("a packet that was changed, cut, or made for another node, purpose or mesh is refused")
    func foreign() {
        var world = DatagramWorld.connected()
        let before = world.nodes[two]!
        world.say("secret")
        let packet = world.flying.removeLast().bytes
        for index in packet.indices {
            var changed = packet
            changed[index] ^= 0x10
            world.nodes[two] = before
            world.input(.received(changed, .socket), to: two, source: one)
            world.nodes[two] = before
            world.input(.received(Array(packet[..<index]), .socket), to: two, source: one)
        }
        world.nodes[two] = before
        world.input(.received(packet + [0], .socket), to: two, source: one)
        // Carried by a session that proves somebody else.
        world.input(.received(packet, .session(NodeID(3))), to: two)
        #expect(world.heard("secret", by: two).isEmpty)
        world.input(.received(packet, .socket), to: two, source: one)
        #expect(world.heard("secret", by: two).count == 1)

        var strangers = DatagramWorld()
        strangers.boot(two, binding: [UInt8](repeating: 8, count: 40))
        strangers.hasSessions = false
        strangers.say("a")
        strangers.run(for: .seconds(5))
        #expect(strangers.seen.allSatisfy { $0.from == one })
    }

    @Test("who may not gossip is not heard, whatever key it holds")
    func roles() {
        var world = DatagramWorld.connected()
        let key = DatagramWorld.keys[one]!.publicKey
        world.input(.member(one, key: key, allowed: [.path]), to: two)
        world.say("gossip")
        world.run(for: .milliseconds(50))
        #expect(world.delivered.isEmpty)
        world.input(.member(one, key: key, allowed: Set(DatagramPurpose.allCases)), to: two)
        world.say("more")
        world.run(for: .milliseconds(50))
        #expect(world.heard("more", by: two).count == 1)
        world.input(.forget(one), to: two)
        world.say("after")
        world.run(for: .milliseconds(50))
        #expect(world.heard("after", by: two).isEmpty)
    }

    @Test("an address that has proven nothing gets no more bytes than it sent")
    func amplification() {
        var world = DatagramWorld()
        world.hasSessions = false
        world.say("a")
        let hello = world.seen[0].bytes
        var generator = SeededGenerator(seed: 3)
        for round in 0..<2_000 {
            var bytes = hello
            switch round % 4 {
            case 0: break
            case 1: bytes = (0..<(generator.next() % 1_400)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            case 2: bytes[Int(generator.next() % 62)] ^= UInt8(truncatingIfNeeded: generator.next())
            default: bytes[0] = UInt8(truncatingIfNeeded: generator.next() % 20)
            }
            var effects: [DatagramEffect] = []
            world.nodes[two]!.handle(.received(bytes, .socket), at: world.now, into: &effects)
            var answered = 0
            for effect in effects {
                switch effect {
                case .answer(let answer): answered += answer.count
                case .transmit, .post, .deliver, .fallback, .located: Issue.record("\(effect)")
                case .mislaid, .changed: break
                }
            }
            #expect(answered <= bytes.count)
            world.now = world.now + .milliseconds(5)
        }
        #expect(world.nodes[two]!.links[one]!.offers.count <= DatagramConstants.offersMax)
    }

    @Test("no bytes make the decoder or the core trap", arguments: 1...8 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var world = DatagramWorld.connected(seed: seed)
        world.say("x")
        let samples = world.seen.map(\.bytes) + [[], [1], [2, 1], [17], [18], [255]]
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<4_000 {
            var bytes = samples[Int(generator.next() % UInt64(samples.count))]
            for _ in 0..<(generator.next() % 6) where !bytes.isEmpty {
                let place = Int(generator.next() % UInt64(bytes.count))
                switch generator.next() % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8(truncatingIfNeeded: generator.next()), at: place)
                }
            }
            let route: DatagramRoute = generator.next() % 2 == 0 ? .socket : .session(one)
            world.input(.received(bytes, route), to: two, source: one)
        }
        world.delivered = []
        world.say("still here")
        world.run(for: .milliseconds(100))
        #expect(!world.heard("still here", by: two).isEmpty)
    }
}
