import Glibc

/// Sockets for multicast DNS (RFC 6762): group 224.0.0.251 or ff02::fb, port 5353.
public enum MulticastSocket {
    private static let group4: UInt32 = 0xE000_00FB
    private static let group6: (UInt64, UInt64) = (0xFF02_0000_0000_0000, 0xFB)
    private static let port: UInt16 = 5353
    private static let hopsMax: Int32 = 255

    /// Where questions go from this address of this host; nil where there is no such group: over IPv6 they go from the
    /// address that an interface has on its link.
    public static func group(of host: SocketAddress) -> SocketAddress? {
        switch host {
        case .ipv4: .ipv4(group4, port: port)
        case .ipv6(let high, _, _, let scope):
            high >> 48 == 0xFE80 && scope != 0 ? .ipv6(group6.0, group6.1, port: port, scope: scope) : nil
        case .unix: nil
        }
    }

    /// Non-blocking sockets that hear what is sent to the group on the networks of these addresses of this host: one for
    /// IPv4, and one for each interface with an address of IPv6. Other programs may listen there, too. Throws where it can
    /// be heard on none.
    public static func listen(on hosts: [SocketAddress]) throws(RingError) -> [Int32] {
        var sockets: [Int32] = []
        var failure = RingError.system("listening to multicast", ENODEV)
        do throws(RingError) { sockets.append(try listen4(on: hosts)) } catch { failure = error }
        var heard: Set<UInt32> = []
        for interface in try NetworkInterface.all() {
            guard case .ipv6(let high, let low, _, _) = interface.address, interface.index != 0,
                hosts.contains(where: { $0.with(port: 0) == .ipv6(high, low, port: 0, scope: 0) }),
                heard.insert(interface.index).inserted
            else { continue }
            do throws(RingError) { sockets.append(try listen6(on: interface.index)) } catch { failure = error }
        }
        guard !sockets.isEmpty else { throw failure }
        return sockets
    }

    private static func listen4(on hosts: [SocketAddress]) throws(RingError) -> Int32 {
        try listener(at: .ipv4(group4, port: port)) { socket throws(RingError) in
            var failure = ENODEV
            var count = 0
            for case .ipv4(let host, _) in hosts {
                var membership = ip_mreq(
                    imr_multiaddr: in_addr(s_addr: group4.bigEndian), imr_interface: in_addr(s_addr: host.bigEndian))
                let size = socklen_t(MemoryLayout<ip_mreq>.size)
                if setsockopt(socket, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &membership, size) == 0 {
                    count += 1
                } else {
                    failure = errno
                }
            }
            guard count > 0 else { throw .system("listening to multicast", failure) }
        }
    }

    private static func listen6(on interface: UInt32) throws(RingError) -> Int32 {
        let group = SocketAddress.ipv6(group6.0, group6.1, port: port, scope: interface)
        return try listener(at: group) { socket throws(RingError) in
            var membership = ipv6_mreq()
            withUnsafeMutableBytes(of: &membership.ipv6mr_multiaddr) { bytes in
                bytes.storeBytes(of: group6.0.bigEndian, toByteOffset: 0, as: UInt64.self)
                bytes.storeBytes(of: group6.1.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            membership.ipv6mr_interface = interface
            let size = socklen_t(MemoryLayout<ipv6_mreq>.size)
            guard setsockopt(socket, Int32(IPPROTO_IPV6), IPV6_JOIN_GROUP, &membership, size) == 0 else {
                throw .system("listening to multicast", errno)
            }
        }
    }

    /// A socket bound to the group itself: it gets nothing that was sent to this host alone.
    private static func listener(
        at group: SocketAddress, join: (Int32) throws(RingError) -> Void
    ) throws(RingError) -> Int32 {
        let socket = try Sockets.open(group, type: Int32(SOCK_DGRAM.rawValue))
        do throws(RingError) {
            Sockets.setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1)
            Sockets.setOption(socket, SOL_SOCKET, SO_REUSEPORT, 1)
            _ = try Sockets.bind(socket, group)
            try join(socket)
            return socket
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    /// A non-blocking socket that asks on the network of this address of this host, and hears the answers.
    public static func ask(from host: SocketAddress) throws(RingError) -> Int32 {
        let socket = try Sockets.open(host, type: Int32(SOCK_DGRAM.rawValue))
        do throws(RingError) {
            _ = try Sockets.bind(socket, host.with(port: 0))
            let done: Int32
            switch host {
            case .ipv4(let number, _):
                var interface = in_addr(s_addr: number.bigEndian)
                let size = socklen_t(MemoryLayout<in_addr>.size)
                done = setsockopt(socket, Int32(IPPROTO_IP), IP_MULTICAST_IF, &interface, size)
                Sockets.setOption(socket, Int32(IPPROTO_IP), IP_MULTICAST_TTL, hopsMax)
            case .ipv6(_, _, _, let scope):
                var interface = Int32(bitPattern: scope)
                let size = socklen_t(MemoryLayout<Int32>.size)
                done = setsockopt(socket, Int32(IPPROTO_IPV6), IPV6_MULTICAST_IF, &interface, size)
                Sockets.setOption(socket, Int32(IPPROTO_IPV6), IPV6_MULTICAST_HOPS, hopsMax)
            case .unix: throw .system("asking by multicast", EAFNOSUPPORT)
            }
            guard done == 0 else { throw .system("asking by multicast", errno) }
            return socket
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    /// Sends a question to a group. False: the network takes none.
    public static func send(_ question: [UInt8], to group: SocketAddress, over socket: Int32) -> Bool {
        group.withSocketAddress { address, length in
            sendto(socket, question, question.count, Sockets.sendFlags, address, length) == question.count
        }
    }
}
