import Codec
import Ring
import Testing

@testable import Mesh

@Suite("Datagrams over real sockets")
struct DatagramServiceTests {
    /// Two members on loopback; what falls back on the session is carried at once.
    final class Two: @unchecked Sendable {
        let ports: [DatagramPort]
        let services: [DatagramService]
        var heard: [(at: Int, bytes: [UInt8], isOverSession: Bool)] = []
        let loop: any EventLoop

        init(_ loop: any EventLoop, _ addresses: [SocketAddress]) throws {
            self.loop = loop
            let keys = [NoiseKeyPair.generate(), NoiseKeyPair.generate()]
            let ports = try addresses.map { address in try DatagramPort(loop, address) }
            services = ports.indices.map { index in
                DatagramService(
                    loop, port: ports[index], id: NodeID(UInt64(index + 1)), key: keys[index], binding: [1])
            }
            self.ports = ports
            for index in 0...1 {
                let other = 1 - index
                let ids = [NodeID(1), NodeID(2)]
                services[index].learn(
                    ids[other], key: keys[other].publicKey, addresses: [.loopback(port: ports[other].address.port)])
                services[index].onMessage = { [unowned self] _, _, bytes in heard.append((index, bytes, false)) }
                services[index].onFallback = { [unowned self] _, _, bytes in heard.append((other, bytes, true)) }
                services[index].onPost = { [unowned self] _, packet in
                    services[other].received(packet, overSessionWith: ids[index])
                }
            }
        }

        func close() {
            for service in services { service.close() }
            for port in ports { port.close() }
        }

        func wait(_ condition: () -> Bool) async throws {
            let deadline = loop.after(.seconds(10))
            while !condition() {
                try #require(loop.now < deadline)
                try await loop.sleep(for: .milliseconds(1))
            }
        }
    }

    @Test("messages travel both ways, over IPv4 and between an IPv6 and an IPv4 socket", arguments: sessionBackends)
    func bothWays(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            for first in [SocketAddress.loopback(port: 0), .ipv6(0, 0, port: 0, scope: 0)] {
                let two = try Two(loop, [first, .loopback(port: 0)])
                let paths = try await two.services[0].probe([NodeID(2)])
                #expect(paths[NodeID(2)]?.outbound == .open)
                for number in 0..<200 as Range<UInt8> {
                    two.services[0].send(.gossip, [number], to: NodeID(2))
                    two.services[1].send(.gossip, [number], to: NodeID(1))
                    // No faster than they are heard: a socket's buffer holds only so many.
                    let sent = 2 * (Int(number) + 1)
                    if number % 20 == 19 { try await two.wait { two.heard.count >= sent } }
                }
                try await two.wait { two.heard.filter { !$0.isOverSession }.count >= 399 }
                #expect(Set(two.heard.filter { $0.at == 1 }.map(\.bytes)).count == 200)
                two.close()
            }
        }
    }

    @Test("a closed port is found out, and everything goes through the session", arguments: sessionBackends)
    func closed(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let two = try Two(loop, [.loopback(port: 0), .loopback(port: 0)])
            _ = try await two.services[0].probe([NodeID(2)])
            two.ports[1].close()
            for number in 0..<40 as Range<UInt8> {
                two.services[0].send(.gossip, [number], to: NodeID(2))
                // The pace of gossip: what is lost is found out by the time that answers take.
                try await loop.sleep(for: .milliseconds(60))
            }
            try await two.wait { two.services[0].path(to: NodeID(2))?.outbound == .blocked }
            #expect(Set(two.heard.filter { $0.at == 1 && $0.isOverSession }.map(\.bytes)).count == 40)
            two.close()
        }
    }

    @Test("a flood of junk at the port changes nothing and is not answered", arguments: sessionBackends)
    func flood(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let two = try Two(loop, [.loopback(port: 0), .loopback(port: 0)])
            _ = try await two.services[0].probe([NodeID(2)])
            let stranger = try DatagramPort(loop, .loopback(port: 0))
            let answers = Cell(0)
            stranger.onPacket = { _, _ in answers.value += 1 }
            var generator = SeededGenerator(seed: 5)
            for _ in 0..<3_000 {
                let count = Int(generator.next() % 1_500)
                let junk = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                stranger.send(junk, to: two.ports[1].address)
                if generator.next() % 16 == 0 { await Task.yield() }
            }
            two.services[0].send(.gossip, [42], to: NodeID(2))
            try await two.wait { two.heard.contains { $0.bytes == [42] } }
            #expect(answers.value == 0)
            stranger.close()
            two.close()
        }
    }
}
