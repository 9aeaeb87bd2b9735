import Ring
import Testing

@testable import Node

@Suite("Where the proxy of a stranger goes")
struct ProxyRulesTests {
    private let rules: ProxyRules

    init() throws {
        func parse(_ texts: [String]) throws -> [SocketAddress] { try texts.map { try SocketAddress.parse($0) } }
        rules = ProxyRules(
            mesh: try parse(["10.1.0.2:7717", "203.0.113.7:443", "[2001:db8::7]:7717"]),
            own: try parse(["10.1.0.1", "198.51.100.9", "2001:db8::1", "fe80::1"]))
    }

    private func refusal(_ text: String) throws -> String? { rules.refusal(of: try SocketAddress.parse(text)) }

    @Test(
        "not to the host that the job runs on, however its address is written",
        arguments: [
            "127.0.0.1:22", "127.9.9.9:80", "0.0.0.0:80", "0.1.2.3:80", "[::1]:80", "[::]:80", "10.1.0.1:80",
            "198.51.100.9:443", "[2001:db8::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:10.1.0.1]:80", "[::7f00:1]:80",
            "[64:ff9b::7f00:1]:80", "[64:ff9b::a01:1]:80", "[2002:7f00:1::]:80", "[2002:a01:1::5]:80",
        ])
    func host(_ address: String) throws {
        #expect(try refusal(address) == "it is the host that the job runs on")
    }

    @Test(
        "not to what a cloud tells its machines, and not to the links of the host",
        arguments: [
            "169.254.169.254:80", "169.254.170.2:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80",
            "[2002:a9fe:a9fe::]:80", "[fe80::2]:80", "[fec0::2]:80", "168.63.129.16:80", "100.100.100.200:80",
            "192.0.0.192:80", "[fd00:ec2::254]:80", "[fd20:ce::254]:80", "224.0.0.251:80", "255.255.255.255:80",
            "240.0.0.1:80", "[ff02::1]:80", "[fd00:c1::a9fe:a9fe]:80", "[fd00:42::42]:80", "[fd00:a9fe:a9fe::1]:80",
            "[fd00:100::100:200]:80", "[64:ff9b:1::a9fe:a9fe]:80", "[::ffff:0:169.254.169.254]:80",
        ])
    func cloud(_ address: String) throws { #expect(try refusal(address) != nil) }

    @Test(
        "not to where the mesh listens: its members, and hosts near them that may be members by another address",
        arguments: [
            "10.1.0.2:7717", "203.0.113.7:443", "203.0.113.7:7717", "[2001:db8::7]:7717", "192.168.3.4:7717",
            "172.31.255.255:7717", "100.64.0.1:7717", "[fd12::1]:7717", "10.9.9.9:443", "[::ffff:10.1.0.2]:7717",
            "203.0.113.8:7717", "[2001:db8::9]:7717",
        ])
    func mesh(_ address: String) throws { #expect(try refusal(address) == "the mesh itself listens there") }

    @Test(
        "everywhere else: other services of members, the network of the host, the Internet",
        arguments: [
            "10.1.0.2:80", "10.9.9.9:7718", "192.168.3.4:80", "203.0.113.7:80", "198.51.100.8:443", "203.0.113.8:443",
            "1.1.1.1:443", "172.32.0.1:443", "[2001:db8::2]:443", "[2606:4700::1111]:443", "[fd12::1]:80",
            "[64:ff9b::101:101]:443", "[2002:101:101::1]:80", "168.63.129.15:80", "223.255.255.255:80", "1.0.0.0:80",
        ])
    func elsewhere(_ address: String) throws { #expect(try refusal(address) == nil) }
}
