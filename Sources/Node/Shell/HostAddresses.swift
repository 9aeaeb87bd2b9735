import Ring

/// Where this host listens and how others reach it.
enum HostAddresses {
    /// Every address of this host; those of IPv4 alone where the kernel has no IPv6.
    static var everywhere: String { NetworkInterface.hasIPv6 ? "::" : "0.0.0.0" }

    /// The address to listen on: `ADDRESS[:PORT]`, or the name of an interface.
    static func resolve(_ text: String, defaultPort: UInt16) throws -> SocketAddress {
        if let own = try NetworkInterface.all().first(where: { $0.name == text })?.address {
            return own.with(port: defaultPort)
        }
        return try SocketAddress.parse(text, defaultPort: defaultPort)
    }

    /// How others reach a socket that listens there: itself, or every address of the host where it listens on all.
    static func reachable(_ address: SocketAddress) throws -> [String] {
        guard address.host == "0.0.0.0" || address.host == "::" else { return [address.description] }
        let addresses = try NetworkInterface.all().map(\.address).filter { !isLocal($0) }
            .map { $0.with(port: address.port).description }
        return addresses.isEmpty ? [SocketAddress.loopback(port: address.port).description] : addresses
    }

    private static func isLocal(_ address: SocketAddress) -> Bool {
        address.host.hasPrefix("127.") || address.host == "::1" || address.host.hasPrefix("fe80:")
    }
}
