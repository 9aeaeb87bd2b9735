import Glibc

/// What the kernel keeps of a connection for whoever reads it.
public enum SocketBuffer {
    /// Lets the kernel keep no more than about twice so many bytes that have not been read, where it would keep megabytes:
    /// what lies there can be overtaken by nothing. Over long ways less is on its way at a time.
    public static func limit(_ socket: Int32, bytes: Int32) { Sockets.setOption(socket, SOL_SOCKET, SO_RCVBUF, bytes) }
}
