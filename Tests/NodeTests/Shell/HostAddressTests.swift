import Ring
import Testing

@testable import Node

@Suite("Where a host listens and is found")
struct HostAddressTests {
    @Test("an interface is named in place of an address, with or without a port")
    func interface() throws {
        #expect(try HostAddresses.resolve("lo", defaultPort: 7717).description == "127.0.0.1:7717")
        #expect(try HostAddresses.resolve("lo:7800", defaultPort: 7717).description == "127.0.0.1:7800")
        #expect(try HostAddresses.resolve("127.0.0.1:9", defaultPort: 7717).port == 9)
        #expect(HostAddresses.interface(in: "lo:7800") == "lo")
        #expect(HostAddresses.interface(in: "127.0.0.1") == nil)
    }

    @Test("what is neither an address nor an interface is refused with the interfaces there are")
    func unknown() {
        #expect {
            try HostAddresses.resolve("eth97", defaultPort: 7717)
        } throws: { error in
            guard case NodeError.listenFailed("eth97", let reason) = error else { return false }
            return reason.contains("lo")
        }
    }

    @Test("once members have seen a host, it advertises the addresses that they saw and no others")
    func advertised() {
        let own = ["192.168.1.5:7717", "172.17.0.1:7717", "[fd00::5]:7717"]
        #expect(HostAddresses.advertised(own, seen: []) == own)
        #expect(HostAddresses.advertised(own, seen: ["203.0.113.9"]) == own)
        #expect(HostAddresses.advertised(own, seen: ["192.168.1.5"]) == ["192.168.1.5:7717"])
        #expect(HostAddresses.advertised(own, seen: ["fd00::5", "192.168.1.5"]) == [own[0], own[2]])
        #expect(HostAddresses.advertised(own, seen: ["192.168.1"]) == own)
    }
}
