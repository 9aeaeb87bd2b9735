import Ring

/// Where a strict job's proxy goes, by the address that a name was looked up to: it is the address that is connected to.
///
/// Not to this host, which trusts what comes from itself; not to what only this host's network card is to talk to, as the
/// services that give the machines of a cloud their keys; and not to where the mesh itself listens.
struct ProxyRules: Sendable {
    private var meshHosts: Set<Host> = []
    private var meshPorts: Set<UInt16> = []
    private var own: Set<Host>

    /// - Parameters:
    ///   - mesh: where members of the mesh listen.
    ///   - own: the addresses of this host's interfaces.
    init(mesh: [SocketAddress], own: [SocketAddress]) {
        self.own = Set(own.map(Host.init))
        for address in mesh {
            meshHosts.insert(Host(address))
            meshPorts.insert(address.port)
        }
    }

    /// Why it does not go there; nil: it does.
    func refusal(of address: SocketAddress) -> String? {
        let host = Host(address)
        if own.contains(host) || host.isIn(Self.thisHost) { return "it is the host that the job runs on" }
        if host.isIn(Self.link) { return "it is for this host's own link: jobs of the profile strict do not go there" }
        if host.isIn(Self.metadata) { return "the metadata service of a cloud is not for jobs of the profile strict" }
        if host.isIn(Self.nobody) { return "it is the address of no host" }
        if host.isIn(Self.translated) { return "a gateway makes another address of it" }
        // A member has more addresses than it is known by; at a port of the web they may be anybody's in the Internet.
        let isNear = meshHosts.contains(host) || host.isIn(Self.privateNetworks)
        if meshPorts.contains(address.port), isNear || !Self.webPorts.contains(address.port) {
            return "the mesh itself listens there"
        }
        return nil
    }

    /// IPv4 as RFC 4291, 2.5.5.2 writes it in IPv6, however the address says it.
    private struct Host: Hashable {
        var high: UInt64
        var low: UInt64

        init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

        init(ipv4: UInt32) { self.init(high: 0, low: 0xFFFF << 32 | UInt64(ipv4)) }

        init(_ address: SocketAddress) {
            switch address {
            case .ipv4(let number, _): self.init(ipv4: number)
            case .ipv6(let high, let low, _, _): self = Host(high: high, low: low).embedded
            case .unix: self.init(high: 0, low: 0)
            }
        }

        /// What a gateway would make of it: "IPv4-compatible" (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
        private var embedded: Host {
            if high == 0, low >> 32 == 0, low > 1 { return Host(ipv4: UInt32(low)) }
            if high == 0x64_FF9B << 32, low >> 32 == 0 { return Host(ipv4: UInt32(low)) }
            if high >> 48 == 0x2002 { return Host(ipv4: UInt32(truncatingIfNeeded: high >> 16)) }
            return self
        }

        func isIn(_ networks: [Network]) -> Bool { networks.contains { $0.contains(self) } }
    }

    private struct Network {
        var host: Host
        /// Of 128.
        var bits: Int

        init(_ text: StaticString) {
            let words = "\(text)".split(separator: "/")
            guard words.count == 2, let bits = Int(words[1]) else { preconditionFailure("\(text) is no network") }
            do throws(RingError) {
                let address = try SocketAddress.parse(String(words[0]))
                if case .ipv6(let high, let low, _, _) = address {
                    (host, self.bits) = (Host(high: high, low: low), bits)
                } else {
                    (host, self.bits) = (Host(address), bits + 96)
                }
            } catch { preconditionFailure("\(text) is no network") }
        }

        func contains(_ other: Host) -> Bool {
            let (first, second) = (min(bits, 64), max(bits - 64, 0))
            return (other.high ^ host.high) >> (64 - first) == 0 && (other.low ^ host.low) >> (64 - second) == 0
        }
    }

    private static let thisHost: [Network] = [.init("0.0.0.0/8"), .init("127.0.0.0/8"), .init("::/127")]
    private static let link: [Network] = [.init("169.254.0.0/16"), .init("fe80::/10"), .init("fec0::/10")]
    /// Beside 169.254.169.254: Azure, Alibaba, Oracle; by IPv6 Amazon, Google, Oracle, Scaleway, Linode, Alibaba.
    private static let metadata: [Network] = [
        .init("168.63.129.16/32"), .init("100.100.100.200/32"), .init("192.0.0.0/24"), .init("fd00:ec2::/32"),
        .init("fd20:ce::/32"), .init("fd00:c1::/32"), .init("fd00:42::/32"), .init("fd00:a9fe::/32"),
        .init("fd00:100::/32"),
    ]
    /// A network's own NAT64 (RFC 8215), and SIIT (RFC 2765): what is behind them, only their gateway knows.
    private static let translated: [Network] = [.init("64:ff9b:1::/48"), .init("::ffff:0:0:0/96")]
    private static let webPorts: Set<UInt16> = [80, 443]
    private static let nobody: [Network] = [.init("224.0.0.0/3"), .init("ff00::/8")]
    private static let privateNetworks: [Network] = [
        .init("10.0.0.0/8"), .init("172.16.0.0/12"), .init("192.168.0.0/16"), .init("100.64.0.0/10"), .init("fc00::/7"),
    ]
}
