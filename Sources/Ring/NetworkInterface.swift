import Glibc

/// An address that an interface of this host has.
public struct NetworkInterface: Hashable, Sendable {
    /// `eth0`
    public let name: String
    /// With port 0.
    public let address: SocketAddress

    /// The kernel's number of the interface; 0 where it is gone.
    var index: UInt32 { if_nametoindex(name) }

    /// Whether the kernel has IPv6 at all.
    public static var hasIPv6: Bool {
        let socket = Glibc.socket(AF_INET6, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return false }
        close(socket)
        return true
    }

    /// Every IPv4 and IPv6 address of the interfaces that are up, in the kernel's order.
    public static func all() throws(RingError) -> [NetworkInterface] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { throw .system("getifaddrs", errno) }
        defer { freeifaddrs(first) }
        var found: [NetworkInterface] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let source = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_UP) != 0 else { continue }
            let size: Int
            switch Int32(source.pointee.sa_family) {
            case AF_INET: size = MemoryLayout<sockaddr_in>.size
            case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
            default: continue
            }
            var storage = sockaddr_storage()
            memcpy(&storage, source, size)
            guard let address = SocketAddress.read(storage, length: socklen_t(size)) else { continue }
            found.append(NetworkInterface(name: String(cString: entry.ifa_name), address: address))
        }
        return found
    }
}
