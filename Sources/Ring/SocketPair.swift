import Glibc

/// Two stream sockets of this process, connected to each other: what goes in at one comes out at the other.
public enum SocketPair {
    /// - Parameter bufferBytes: what the kernel holds in each direction before a sender waits.
    public static func make(bufferBytes: Int32) throws(RingError) -> (near: Int32, far: Int32) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Sockets.nonBlockingFlags, 0, &ends) == 0 else {
            throw .system("socketpair", errno)
        }
        for end in ends { Sockets.setOption(end, SOL_SOCKET, SO_SNDBUF, bufferBytes) }
        return (ends[0], ends[1])
    }
}
