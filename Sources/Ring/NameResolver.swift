import Glibc

/// Host names to addresses.
public enum NameResolver {
    /// The addresses of `HOST` or `HOST:PORT`, in the system's order of preference. Blocks while it asks the network, so
    /// on a loop it runs inside `offload`; a numeric address never blocks.
    public static func resolve(_ text: String, defaultPort: UInt16) throws(RingError) -> [SocketAddress] {
        do throws(RingError) {
            return [try SocketAddress.parse(text, defaultPort: defaultPort)]
        } catch .addressInvalid {
            // Not numeric: a name, or nothing at all, which `split` tells apart.
        }
        let (host, port) = try SocketAddress.split(text, defaultPort: defaultPort)
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, nil, &hints, &list)
        guard failure == 0 else { throw .nameUnknown(host, String(cString: gai_strerror(failure))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let source = entry.pointee.ai_addr, addresses.count < 16 {
                var storage = sockaddr_storage()
                memcpy(&storage, source, min(Int(entry.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size))
                if let address = SocketAddress.read(storage, length: entry.pointee.ai_addrlen) {
                    addresses.append(address.with(port: port))
                }
            }
            next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { throw .nameUnknown(host, "no address") }
        return addresses
    }
}
