import Ring
import Testing

@Suite("Socket addresses")
struct SocketAddressTests {
    @Test(
        "what is printed is what is read",
        arguments: [
            "127.0.0.1:7717", "0.0.0.0:1", "255.255.255.255:65535", "[::1]:7717", "[fe80::1%1]:80",
            "[2001:db8::ff00:42:8329]:443", "unix:/run/swarmlet/socket",
        ])
    func roundTrip(_ text: String) throws {
        #expect(try SocketAddress.parse(text).description == text)
    }

    @Test("a port that is left out is the default")
    func defaultPort() throws {
        #expect(try SocketAddress.parse("10.1.2.3", defaultPort: 7717) == .ipv4(0x0A01_0203, port: 7717))
        #expect(try SocketAddress.parse("::1", defaultPort: 7717) == .ipv6(0, 1, port: 7717, scope: 0))
        #expect(try SocketAddress.parse("[::1]", defaultPort: 7717).port == 7717)
        #expect(try SocketAddress.split("gpu3.lab", defaultPort: 7717) == ("gpu3.lab", 7717))
        #expect(try SocketAddress.split("gpu3.lab:80", defaultPort: 7717) == ("gpu3.lab", 80))
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", ":80", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+80", "1.2.3:80", "[::1", "[::1]80", "[::1]:x", "a b:80",
            "unix:", "[::1%]:80", "1.2.3.4:80:90",
        ])
    func refusal(_ text: String) {
        #expect(throws: RingError.addressInvalid(text)) { try SocketAddress.parse(text) }
    }

    @Test("names resolve, and unknown ones say so")
    func resolving() throws {
        #expect(try NameResolver.resolve("127.0.0.1:9", defaultPort: 1) == [.loopback(port: 9)])
        #expect(try NameResolver.resolve("localhost", defaultPort: 7717).allSatisfy { $0.port == 7717 })
        let error = #expect(throws: RingError.self) { try NameResolver.resolve("no-such-host.invalid", defaultPort: 1) }
        #expect(error?.code == "ring.address.unknown_name")
    }
}
