import Codec

@testable import Mesh

/// Nodes that exchange datagrams in virtual time over a network that a test breaks.
struct DatagramWorld {
    struct InFlight {
        var due: Instant
        var from: NodeID
        var to: NodeID
        var bytes: [UInt8]
        var isOverSession: Bool
    }
    struct Delivery: Hashable {
        var from: NodeID
        var to: NodeID
        var content: [UInt8]
        var isOverSession: Bool
    }

    var now = Instant(nanoseconds: 1_000_000_000)
    var nodes: [NodeID: DatagramCore] = [:]
    var generator: SeededGenerator
    var flying: [InFlight] = []
    var delivered: [Delivery] = []
    /// Every packet that was handed to the network over UDP.
    var seen: [InFlight] = []
    /// Every (key, counter) that a sealed packet used.
    var nonces: [NonceUse] = []
    struct NonceUse {
        var from: NodeID
        var cipher: DatagramCipher
        var counter: UInt64
    }
    /// Of 1,000 packets so many are lost.
    var lossPerMille = 0
    var duplicatesPerMille = 0
    var delay = Interval.milliseconds(1)
    var jitterMilliseconds: UInt64 = 0
    var blocked: Set<[NodeID]> = []
    var hasSessions = true
    var recordsNonces = false

    static let keys: [NodeID: NoiseKeyPair] = {
        var keys: [NodeID: NoiseKeyPair] = [:]
        for number in 1...3 as ClosedRange<UInt64> {
            do {
                keys[NodeID(number)] = try NoiseKeyPair(
                    secretBytes: [UInt8](repeating: UInt8(number) &* 37, count: 32))
            } catch { fatalError("\(error)") }
        }
        return keys
    }()
    static let binding = [UInt8](repeating: 9, count: 40)

    init(seed: UInt64 = 1, nodes count: UInt64 = 2) {
        generator = SeededGenerator(seed: seed)
        for number in 1...count { boot(NodeID(number)) }
    }

    /// Starts a node, or starts it again: all that it had is gone but its key.
    mutating func boot(_ id: NodeID, binding: [UInt8] = DatagramWorld.binding) {
        let salt = (0..<16).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        var core = DatagramCore(id: id, key: Self.keys[id]!, binding: binding, salt: salt)
        var none: [DatagramEffect] = []
        for (other, key) in Self.keys {
            core.handle(
                .member(other, key: key.publicKey, allowed: Set(DatagramPurpose.allCases)), at: now, into: &none)
        }
        nodes[id] = core
    }

    mutating func input(_ input: DatagramInput, to id: NodeID, source: NodeID? = nil) {
        guard var core = nodes[id] else { return }
        var effects: [DatagramEffect] = []
        core.handle(input, at: now, into: &effects)
        nodes[id] = core
        for effect in effects { carryOut(effect, of: id, source: source) }
    }

    private mutating func carryOut(_ effect: DatagramEffect, of id: NodeID, source: NodeID?) {
        switch effect {
        case .transmit(let peer, let bytes): transmit(bytes, from: id, to: peer)
        case .answer(let bytes): if let source { transmit(bytes, from: id, to: source) }
        case .post(let peer, let bytes):
            guard hasSessions else { return }
            note(bytes, from: id, to: peer)
            flying.append(InFlight(due: now + delay, from: id, to: peer, bytes: bytes, isOverSession: true))
        case .fallback(let peer, _, let content):
            guard hasSessions else { return }
            delivered.append(Delivery(from: id, to: peer, content: content, isOverSession: true))
        case .deliver(let peer, _, let content):
            delivered.append(Delivery(from: peer, to: id, content: content, isOverSession: false))
        case .located, .mislaid, .changed: break
        }
    }

    private mutating func note(_ bytes: [UInt8], from id: NodeID, to peer: NodeID) {
        guard recordsNonces, case .sealed(let purpose, let index, let counter) = DatagramPacket(decoding: bytes),
            let keys = nodes[id]?.links[peer]?.keys.first(where: { $0.remoteIndex == index })
        else { return }
        nonces.append(NonceUse(from: id, cipher: keys.cipherToSend(purpose), counter: counter))
    }

    mutating func transmit(_ bytes: [UInt8], from: NodeID, to: NodeID) {
        note(bytes, from: from, to: to)
        let packet = InFlight(due: now + delay, from: from, to: to, bytes: bytes, isOverSession: false)
        seen.append(packet)
        guard !blocked.contains([from, to]) else { return }
        for copy in 0..<(draw(1_000) < duplicatesPerMille ? 2 : 1) {
            guard draw(1_000) >= lossPerMille else { continue }
            var flight = packet
            let jitter = jitterMilliseconds == 0 ? 0 : generator.next() % jitterMilliseconds
            flight.due = flight.due + .milliseconds(Int64(jitter) + Int64(copy))
            flying.append(flight)
        }
    }

    mutating func draw(_ bound: Int) -> Int { Int(generator.next() % UInt64(bound)) }

    /// Lets time pass until then, handling what arrives and what is due in order.
    mutating func run(for interval: Interval) {
        let end = now + interval
        while true {
            var next = end
            for flight in flying { next = min(next, flight.due) }
            for id in nodes.keys.sorted() { if let due = nodes[id]?.nextDeadline { next = min(next, max(due, now)) } }
            now = next
            if let index = flying.indices.filter({ flying[$0].due <= now }).min(by: {
                (flying[$0].due, $0) < (flying[$1].due, $1)
            }) {
                let flight = flying.remove(at: index)
                let route: DatagramRoute = flight.isOverSession ? .session(flight.from) : .socket
                input(.received(flight.bytes, route), to: flight.to, source: flight.from)
                continue
            }
            if let id = nodes.keys.sorted().first(where: { nodes[$0]?.nextDeadline.map { $0 <= now } ?? false }) {
                input(.timer, to: id)
                continue
            }
            if now >= end { return }
        }
    }

    mutating func say(_ text: String, from: NodeID = NodeID(1), to: NodeID = NodeID(2)) {
        input(.send(to, .gossip, Array(text.utf8)), to: from)
    }

    func heard(_ text: String, by id: NodeID) -> [Delivery] {
        delivered.filter { $0.to == id && $0.content == Array(text.utf8) }
    }

    /// Two nodes that know each other's datagrams arrive.
    static func connected(seed: UInt64 = 1) -> DatagramWorld {
        var world = DatagramWorld(seed: seed)
        world.say("first")
        world.run(for: .seconds(1))
        world.delivered = []
        world.seen = []
        return world
    }

    func path(_ from: UInt64, _ to: UInt64) -> DatagramPath? { nodes[NodeID(from)]?.path(to: NodeID(to), at: now) }
}
