import Ring

/// Where this host listens and how others reach it.
enum HostAddresses {
    /// Every address of this host; those of IPv4 alone where the kernel has no IPv6.
    static var everywhere: String { NetworkInterface.hasIPv6 ? "::" : "0.0.0.0" }

    /// The address to listen on: `ADDRESS[:PORT]`, or `INTERFACE[:PORT]` by name.
    static func resolve(_ text: String, defaultPort: UInt16) throws -> SocketAddress {
        let interfaces = try NetworkInterface.all()
        if let own = address(of: text[...], interfaces) { return own.with(port: defaultPort) }
        if let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            let own = address(of: text[..<colon], interfaces)
        {
            return own.with(port: port)
        }
        do {
            return try SocketAddress.parse(text, defaultPort: defaultPort)
        } catch {
            var names: [String] = []
            for interface in interfaces where !names.contains(interface.name) { names.append(interface.name) }
            throw NodeError.listenFailed(
                address: text,
                reason:
                    "it is neither an address nor an interface with one; interfaces: \(names.joined(separator: ", "))")
        }
    }

    /// An IPv4 address of the interface, where it has one; else one that is good beyond its link.
    private static func address(of name: Substring, _ interfaces: [NetworkInterface]) -> SocketAddress? {
        let own = interfaces.filter { $0.name == name }.map(\.address)
        return own.first { !$0.host.contains(":") } ?? own.first { !$0.host.hasPrefix("fe80:") } ?? own.first
    }

    /// The interface that was named to listen on; nil: an address was, or nothing.
    static func interface(in text: String?) -> String? {
        guard let text else { return nil }
        do throws(RingError) {
            let names = try NetworkInterface.all().map(\.name)
            return names.first { text == $0 || text.hasPrefix($0 + ":") }
        } catch {
            return nil
        }
    }

    /// How others reach a socket that listens there: itself, or every address of the host where it listens on all.
    static func reachable(_ address: SocketAddress) throws -> [String] {
        guard address.host == "0.0.0.0" || address.host == "::" else { return [address.description] }
        let addresses = try NetworkInterface.all().map(\.address).filter { !isLocal($0) }
            .map { $0.with(port: address.port).description }
        return addresses.isEmpty ? [SocketAddress.loopback(port: address.port).description] : addresses
    }

    /// What to tell others of the addresses of this host: those that members have seen it at; all, while none has.
    static func advertised(_ own: [String], seen hosts: [String]) -> [String] {
        let found = own.filter { address in
            hosts.contains { address.hasPrefix($0 + ":") || address.hasPrefix("[\($0)]:") }
        }
        return found.isEmpty ? own : found
    }

    private static func isLocal(_ address: SocketAddress) -> Bool {
        address.host.hasPrefix("127.") || address.host == "::1" || address.host.hasPrefix("fe80:")
    }
}
