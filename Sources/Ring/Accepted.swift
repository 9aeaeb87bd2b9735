/// A connection that a listener has taken: the caller owns the socket.
public struct Accepted: Hashable, Sendable {
    public let socket: Int32
    /// Who connected; an unnamed unix socket has an empty path.
    public let peer: SocketAddress

    /// A connection that came by another way than a listener's socket.
    public init(socket: Int32, peer: SocketAddress) {
        self.socket = socket
        self.peer = peer
    }

    init(socket: Int32) {
        self.socket = socket
        peer = Sockets.peerAddress(of: socket) ?? .unix("")
        Sockets.prepareStream(socket, peer)
    }
}
