import CLinux
import Glibc

/// Who is at the other end of a unix socket, as the kernel saw it when they connected (SO_PEERCRED, unix(7)).
public struct PeerCredentials: Hashable, Sendable {
    public let process: Int32
    public let user: UInt32
    public let group: UInt32

    /// The credentials of the peer of a connected unix socket.
    public init(of socket: Int32) throws(RingError) {
        // struct ucred is hidden behind _GNU_SOURCE: three 32-bit fields, pid, uid, gid.
        var credentials: (Int32, UInt32, UInt32) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
            throw .system("getsockopt", errno)
        }
        (process, user, group) = credentials
    }
}
