import CLinux
import Glibc

/// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a unix socket.
public enum SocketAddress: Hashable, Sendable {
    /// The address as its number (127.0.0.1 = 0x7F000001), and the port.
    case ipv4(UInt32, port: UInt16)
    /// The address as two halves, high first, the port, and the interface index of a link-local address (else 0).
    case ipv6(UInt64, UInt64, port: UInt16, scope: UInt32)
    case unix(String)

    /// The port; 0 for a unix socket.
    public var port: UInt16 {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .unix: 0
        }
    }

    /// The same host at another port.
    public func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high, low, port: port, scope: scope)
        case .unix: self
        }
    }

    /// 127.0.0.1 at a port (0: the kernel chooses when binding).
    public static func loopback(port: UInt16) -> SocketAddress { .ipv4(0x7F00_0001, port: port) }
    /// Every IPv4 address of this host.
    public static func any(port: UInt16) -> SocketAddress { .ipv4(0, port: port) }

    /// Reads `1.2.3.4:7717`, `[::1]:7717`, `1.2.3.4`, `::1` or `unix:/path`. Names are refused: see `NameResolver`.
    public static func parse(_ text: String, defaultPort: UInt16 = 0) throws(RingError) -> SocketAddress {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count <= unixPathLimit else { throw .addressInvalid(text) }
            return .unix(path)
        }
        let (host, port) = try split(text, defaultPort: defaultPort)
        guard let address = numeric(host, port: port) else { throw .addressInvalid(text) }
        return address
    }

    /// The host and the port of `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a bare IPv6 address.
    public static func split(_ text: String, defaultPort: UInt16) throws(RingError) -> (host: String, port: UInt16) {
        guard !text.isEmpty, text.utf8.count <= 300, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw .addressInvalid(text)
        }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .addressInvalid(text) }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (host, defaultPort) }
            guard rest.hasPrefix(":"), let port = parsePort(rest.dropFirst()) else { throw .addressInvalid(text) }
            return (host, port)
        }
        guard let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon else { return (text, defaultPort) }
        guard colon != text.startIndex, let port = parsePort(text[text.index(after: colon)...]) else {
            throw .addressInvalid(text)
        }
        return (String(text[..<colon]), port)
    }

    private static func parsePort(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        return UInt16(text)
    }

    private static func numeric(_ host: String, port: UInt16) -> SocketAddress? {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return .ipv4(UInt32(bigEndian: four.s_addr), port: port) }
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var six = in6_addr()
        guard let first = parts.first, inet_pton(AF_INET6, String(first), &six) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            scope = UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
            if scope == 0 { return nil }
        }
        let (high, low) = halves(six)
        return .ipv6(high, low, port: port, scope: scope)
    }

    private static func halves(_ address: in6_addr) -> (UInt64, UInt64) {
        withUnsafeBytes(of: address) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The form that `parse` reads.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, _, let port, _): "[\(host)]:\(port)"
        }
    }

    /// The address without its port.
    public var host: String {
        switch self {
        case .unix(let path): return path
        case .ipv4(let address, _):
            return [24, 16, 8, 0].map { String(address >> $0 & 0xFF) }.joined(separator: ".")
        case .ipv6(let high, let low, _, let scope):
            var address = in6_addr()
            withUnsafeMutableBytes(of: &address) { bytes in
                bytes.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            _ = inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
            let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return scope == 0 ? host : "\(host)%\(scope)"
        }
    }
}

/// Between this type and the C structures.
extension SocketAddress {
    /// The longest path of a unix socket: sun_path less its final zero (unix(7)).
    static let unixPathLimit = 107

    var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Calls `body` with the address as the kernel takes it.
    func withSocketAddress<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        var storage = sockaddr_storage()
        let length = write(to: &storage)
        return withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    func write(to storage: inout sockaddr_storage) -> socklen_t {
        withUnsafeMutableBytes(of: &storage) { bytes in
            switch self {
            case .ipv4(let address, let port):
                var structure = sockaddr_in()
                structure.sin_family = sa_family_t(AF_INET)
                structure.sin_port = port.bigEndian
                structure.sin_addr.s_addr = address.bigEndian
                bytes.storeBytes(of: structure, as: sockaddr_in.self)
                return socklen_t(MemoryLayout<sockaddr_in>.size)
            case .ipv6(let high, let low, let port, let scope):
                var structure = sockaddr_in6()
                structure.sin6_family = sa_family_t(AF_INET6)
                structure.sin6_port = port.bigEndian
                structure.sin6_scope_id = scope
                withUnsafeMutableBytes(of: &structure.sin6_addr) { address in
                    address.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                    address.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                bytes.storeBytes(of: structure, as: sockaddr_in6.self)
                return socklen_t(MemoryLayout<sockaddr_in6>.size)
            case .unix(let path):
                bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                let characters = Array(path.utf8.prefix(SocketAddress.unixPathLimit))
                let offset = MemoryLayout<sa_family_t>.size
                for (index, character) in characters.enumerated() { bytes[offset + index] = character }
                bytes[offset + characters.count] = 0
                return socklen_t(offset + characters.count + 1)
            }
        }
    }

    /// Calls a function that fills in an address, and reads it.
    static func receiving<Value>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Value
    ) -> (Value, SocketAddress?) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let value = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        return (value, read(storage, length: length))
    }

    static func read(_ storage: sockaddr_storage, length: socklen_t) -> SocketAddress? {
        withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let structure = bytes.loadUnaligned(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: structure.sin_addr.s_addr), port: UInt16(bigEndian: structure.sin_port))
            case AF_INET6:
                let structure = bytes.loadUnaligned(as: sockaddr_in6.self)
                let (high, low) = halves(structure.sin6_addr)
                let port = UInt16(bigEndian: structure.sin6_port)
                // What a socket of both families says of IPv4 (RFC 4291, 2.5.5.2).
                if high == 0, low >> 32 == 0xFFFF { return .ipv4(UInt32(truncatingIfNeeded: low), port: port) }
                return .ipv6(high, low, port: port, scope: structure.sin6_scope_id)
            case AF_UNIX:
                let offset = MemoryLayout<sa_family_t>.size
                let path = bytes[offset..<max(offset, Int(length))].prefix { $0 != 0 }
                return .unix(String(decoding: path, as: UTF8.self))
            default: return nil
            }
        }
    }
}
