import CLinux
import Glibc

/// The system calls around sockets that both backends share.
enum Sockets {
    /// Received at most by one call: a larger read gains nothing over two.
    static let receiveLimit = 65_536
    static let nonBlockingFlags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    /// A broken connection is an error here, never a signal.
    static let sendFlags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)

    /// Bytes that may wait in the kernel before they are sent: what is behind them can still be overtaken by the sender.
    static let notSentLimit: Int32 = 131_072

    /// TCP_THIN_LINEAR_TIMEOUTS of linux/tcp.h.
    private static let thinLinearTimeouts: Int32 = 16

    static func stream(for address: SocketAddress) throws(RingError) -> Int32 {
        let socket = try open(address, type: Int32(SOCK_STREAM.rawValue))
        prepareStream(socket, address)
        return socket
    }

    static func open(_ address: SocketAddress, type: Int32) throws(RingError) -> Int32 {
        let socket = Glibc.socket(address.family, type | nonBlockingFlags, 0)
        guard socket >= 0 else { throw .system("socket", errno) }
        return socket
    }

    /// Small messages must not wait for each other (Nagle).
    static func prepareStream(_ socket: Int32, _ address: SocketAddress) {
        if case .unix = address { return }
        setOption(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        setOption(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, notSentLimit)
        // A session with little to say hears of a lost packet only by its timeout: that must not double each time.
        setOption(socket, Int32(IPPROTO_TCP), thinLinearTimeouts, 1)
    }

    static func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        // An option that the kernel does not know leaves the socket usable.
        _ = setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    static func checkConnected(_ socket: Int32, _ address: SocketAddress) throws(RingError) {
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 else { throw .of("getsockopt", errno) }
        guard failure == 0 else { throw connectError(failure, address) }
    }

    static func connectError(_ failure: Int32, _ address: SocketAddress) -> RingError {
        switch failure {
        case ECONNREFUSED, ENOENT: .refused(address.description)
        case EAGAIN: .full("connections at \(address)")
        default: .of("connect", failure)
        }
    }

    static func bind(_ socket: Int32, _ address: SocketAddress) throws(RingError) -> SocketAddress {
        // Whatever the host's default is: `::` means every address, of IPv4 too.
        if case .ipv6 = address { setOption(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        let failure = address.withSocketAddress { Glibc.bind(socket, $0, $1) == 0 ? 0 : errno }
        switch failure {
        case 0: return localAddress(of: socket) ?? address
        case EADDRINUSE: throw .addressInUse(address.description)
        default: throw .system("bind to \(address)", failure)
        }
    }

    static func localAddress(of socket: Int32) -> SocketAddress? {
        let (result, address) = SocketAddress.receiving { getsockname(socket, $0, $1) }
        return result == 0 ? address : nil
    }

    static func peerAddress(of socket: Int32) -> SocketAddress? {
        let (result, address) = SocketAddress.receiving { getpeername(socket, $0, $1) }
        return result == 0 ? address : nil
    }
}
