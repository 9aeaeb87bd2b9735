import Glibc

/// Sockets for multicast DNS over IPv4 (RFC 6762): group 224.0.0.251, port 5353.
public enum MulticastSocket {
    private static let group: UInt32 = 0xE000_00FB
    private static let port: UInt16 = 5353
    private static let hopsMax: Int32 = 255

    /// Where questions go.
    public static var groupAddress: SocketAddress { .ipv4(group, port: port) }

    /// A non-blocking socket that hears what is sent to the group on the networks of these addresses of this host. Other
    /// programs may listen there, too. Throws where it can be heard on none.
    public static func listen(on hosts: [SocketAddress]) throws(RingError) -> Int32 {
        let socket = try Sockets.open(groupAddress, type: Int32(SOCK_DGRAM.rawValue))
        do throws(RingError) {
            Sockets.setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1)
            Sockets.setOption(socket, SOL_SOCKET, SO_REUSEPORT, 1)
            // Bound to the group itself, it gets nothing that was sent to this host alone.
            _ = try Sockets.bind(socket, groupAddress)
            var failure = ENODEV
            var count = 0
            for case .ipv4(let host, _) in hosts {
                var membership = ip_mreq(
                    imr_multiaddr: in_addr(s_addr: group.bigEndian), imr_interface: in_addr(s_addr: host.bigEndian))
                let size = socklen_t(MemoryLayout<ip_mreq>.size)
                if setsockopt(socket, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &membership, size) == 0 {
                    count += 1
                } else {
                    failure = errno
                }
            }
            guard count > 0 else { throw .system("listening to multicast", failure) }
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
            guard case .ipv4(let number, _) = host else { throw .system("asking by multicast", EAFNOSUPPORT) }
            var interface = in_addr(s_addr: number.bigEndian)
            let size = socklen_t(MemoryLayout<in_addr>.size)
            guard setsockopt(socket, Int32(IPPROTO_IP), IP_MULTICAST_IF, &interface, size) == 0 else {
                throw .system("asking by multicast", errno)
            }
            Sockets.setOption(socket, Int32(IPPROTO_IP), IP_MULTICAST_TTL, hopsMax)
            return socket
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    /// Sends a question to the group. False: the network takes none.
    public static func send(_ question: [UInt8], over socket: Int32) -> Bool {
        groupAddress.withSocketAddress { address, length in
            sendto(socket, question, question.count, Sockets.sendFlags, address, length) == question.count
        }
    }
}
