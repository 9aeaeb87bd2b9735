import Glibc

/// How this host reaches another one.
public enum LocalRoute {
    /// The address of this host from which the other one is spoken to, with port 0; nil where no way leads there.
    ///
    /// Nothing is sent: a datagram socket that is connected knows its own address.
    public static func source(toward address: SocketAddress) -> SocketAddress? {
        let target = address.with(port: address.port == 0 ? 9 : address.port)
        do throws(RingError) {
            let socket = try Sockets.open(target, type: Int32(SOCK_DGRAM.rawValue))
            defer { close(socket) }
            guard target.withSocketAddress({ connect(socket, $0, $1) }) == 0 else { return nil }
            return Sockets.localAddress(of: socket)?.with(port: 0)
        } catch {
            return nil
        }
    }
}
