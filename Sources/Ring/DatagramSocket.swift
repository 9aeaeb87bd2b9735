import Glibc

/// A bound UDP socket. Close it with `EventLoop.close(socket.descriptor)`.
public struct DatagramSocket: Hashable, Sendable {
    public let descriptor: Int32
    /// Where it is bound, with the port that the kernel chose.
    public let address: SocketAddress

    public init(_ address: SocketAddress) throws(RingError) {
        let socket = try Sockets.open(address, type: Int32(SOCK_DGRAM.rawValue))
        do throws(RingError) {
            self.address = try Sockets.bind(socket, address)
            descriptor = socket
        } catch {
            Glibc.close(socket)
            throw error
        }
    }
}
