import Glibc

/// A TCP port that nobody had at any address of this host, held until this value is gone: meanwhile nobody else gets it.
public final class HeldPort: Sendable {
    public let port: UInt16
    private let descriptor: Int32

    /// Nil where somebody has it, or listens on it, at some address. 0 is any that is free.
    public init?(_ port: UInt16) {
        let everywhere: SocketAddress =
            NetworkInterface.hasIPv6 ? .ipv6(0, 0, port: port, scope: 0) : .any(port: port)
        do throws(RingError) {
            let socket = try Sockets.open(everywhere, type: Int32(SOCK_STREAM.rawValue))
            do throws(RingError) {
                self.port = try Sockets.bind(socket, everywhere).port
            } catch {
                close(socket)
                return nil
            }
            descriptor = socket
        } catch {
            return nil
        }
    }

    deinit { close(descriptor) }
}
