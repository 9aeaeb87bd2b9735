import Codec
import Testing

@testable import Mesh

@Suite("Datagrams over networks that fail, and nodes that start again")
struct DatagramPathTests {
    let one = NodeID(1)
    let two = NodeID(2)

    @Test(
        "no key ever sees a counter twice, over many starts, losses and copies", arguments: 1...6 as ClosedRange<UInt64>
    )
    func nonces(seed: UInt64) {
        var world = DatagramWorld(seed: seed)
        world.recordsNonces = true
        world.lossPerMille = 200
        world.duplicatesPerMille = 100
        world.jitterMilliseconds = 20
        for boot in 0..<60 {
            // A crash at any moment: before the first packet, within the handshake, or long after it.
            let node = NodeID(1 + world.generator.next() % 2)
            world.boot(node)
            for number in 0..<world.draw(8) {
                world.say("\(boot).\(number)", from: one, to: two)
                world.say("\(boot).\(number)", from: two, to: one)
                world.run(for: .milliseconds(Int64(world.draw(120))))
            }
            if world.draw(10) == 0 { world.run(for: .seconds(130)) }
        }
        #expect(world.nonces.count > 300)
        for (index, use) in world.nonces.enumerated() {
            for other in world.nonces[..<index] where other.counter == use.counter {
                #expect(!other.cipher.isSameKey(as: use.cipher))
            }
        }
    }

    @Test("a node that starts again is heard by datagram within two round trips of its first word")
    func restart() {
        var world = DatagramWorld.connected()
        for life in 0..<5 {
            let node = life % 2 == 0 ? two : one
            world.boot(node)
            world.say("hello \(life)", from: node, to: node == one ? two : one)
            world.run(for: .milliseconds(5))
            world.say("now \(life)", from: node, to: node == one ? two : one)
            world.say("and back \(life)", from: node == one ? two : one, to: node)
            world.run(for: .milliseconds(5))
            #expect(world.heard("now \(life)", by: node == one ? two : one).contains { !$0.isOverSession })
            #expect(world.heard("and back \(life)", by: node).contains { !$0.isOverSession })
        }
    }

    @Test("keys change under loss, and every packet that arrives is delivered", arguments: 1...5 as ClosedRange<UInt64>)
    func rollover(seed: UInt64) {
        var world = DatagramWorld.connected(seed: seed)
        world.lossPerMille = 300
        world.jitterMilliseconds = 80
        var arrived: Set<[UInt8]> = []
        for second in 0..<600 {
            for (from, to) in [(one, two), (two, one)] {
                let before = world.flying.count
                let text = Array("\(from) \(second)".utf8)
                world.input(.send(to, .gossip, text), to: from)
                // What the network took of the gossip itself will arrive.
                if world.flying[before...].contains(where: { !$0.isOverSession && $0.bytes[0] == 18 }) {
                    arrived.insert(text)
                }
            }
            world.run(for: .seconds(1))
        }
        world.run(for: .seconds(2))
        let delivered = world.delivered.filter { !$0.isOverSession }.map(\.content)
        #expect(arrived.count > 700)
        #expect(arrived.isSubset(of: Set(delivered)))
        #expect(Set(delivered).count == delivered.count)
        #expect(world.nodes[one]!.links[two]!.keys.count <= 3)
    }

    @Test("a port blocked both ways costs nothing but datagrams: every message goes through the session")
    func blocked() {
        var world = DatagramWorld.connected()
        world.blocked = [[one, two], [two, one]]
        for number in 0..<40 {
            world.say("m\(number)")
            world.run(for: .milliseconds(200))
        }
        for number in 0..<40 { #expect(!world.heard("m\(number)", by: two).isEmpty, "message \(number)") }
        #expect(world.path(1, 2)?.outbound == .blocked)
        world.blocked = []
        world.run(for: .seconds(12))
        world.say("open")
        world.run(for: .milliseconds(100))
        #expect(world.path(1, 2)?.outbound == .open)
        #expect(world.heard("open", by: two).map(\.isOverSession) == [false])
    }

    @Test("a port blocked in one direction is known on both sides, from the start and later", arguments: [true, false])
    func oneWay(fromStart: Bool) {
        var world = fromStart ? DatagramWorld() : DatagramWorld.connected()
        world.blocked = [[one, two]]
        for number in 0..<120 {
            world.say("m\(number)")
            world.say("r\(number)", from: two, to: one)
            world.run(for: .milliseconds(200))
        }
        #expect(world.path(1, 2)?.outbound == .blocked)
        #expect(world.path(1, 2)?.inbound == .open)
        #expect(world.path(2, 1)?.outbound == .open)
        #expect(world.path(2, 1)?.inbound == .blocked)
        #expect(world.heard("r119", by: one).map(\.isOverSession) == [false])
        #expect(world.heard("m119", by: two).map(\.isOverSession) == [true])
    }

    @Test("a member that speaks no datagrams gets every message through the session, and ever fewer hellos")
    func olderMember() {
        var world = DatagramWorld()
        world.nodes[two] = nil
        for number in 0..<600 {
            world.say("m\(number)")
            world.run(for: .milliseconds(200))
        }
        for number in 0..<600 { #expect(world.heard("m\(number)", by: two).count == 1) }
        #expect(world.seen.count < 15)
        world.boot(two)
        world.run(for: .seconds(31))
        #expect(world.path(1, 2)?.hasKeys == true)
    }

    @Test("a quarter of the packets lost: messages arrive, because none is trusted to one datagram for long")
    func loss() {
        var world = DatagramWorld.connected(seed: 7)
        world.lossPerMille = 250
        for number in 0..<1_500 {
            world.say("m\(number)")
            world.say("r\(number)", from: two, to: one)
            world.run(for: .milliseconds(200))
        }
        world.run(for: .seconds(3))
        let arrived = Set(world.delivered.filter { $0.to == two }.map(\.content)).count
        #expect(arrived > 1_400)
        #expect(world.delivered.contains { !$0.isOverSession })
        #expect(world.path(1, 2)?.outbound != .blocked)
    }

    @Test("a probe answers within a round trip, and says that a silent direction is blocked within 3 s")
    func probe() {
        var world = DatagramWorld()
        world.input(.probe(two), to: one)
        world.run(for: .milliseconds(10))
        #expect(world.path(1, 2)?.outbound == .open)
        world.blocked = [[one, two]]
        world.run(for: .seconds(60))
        world.input(.probe(two), to: one)
        world.run(for: .seconds(3))
        #expect(world.path(1, 2)?.outbound == .blocked)
        world.blocked = []
        world.input(.probe(two), to: one)
        world.run(for: .milliseconds(10))
        #expect(world.path(1, 2)?.outbound == .open)
    }
}
