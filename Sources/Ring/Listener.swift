import CLinux
import Glibc

/// A listening stream socket. Close it with `EventLoop.close(listener.descriptor)`.
public struct Listener: Hashable, Sendable {
    /// Connections that the kernel holds before `accept` takes them.
    public static let backlog: Int32 = 256

    public let descriptor: Int32
    /// Where it listens, with the port that the kernel chose.
    public let address: SocketAddress

    /// Listens at an address. A unix socket is readable and writable by its owner only, and a file left behind by a
    /// process that is gone is replaced.
    public init(_ address: SocketAddress) throws(RingError) {
        if case .unix(let path) = address { try Listener.removeStale(path) }
        let socket = try Sockets.open(address, type: Int32(SOCK_STREAM.rawValue))
        do throws(RingError) {
            if case .unix = address {
                // The mode of the socket becomes the mode of its file at bind (less the umask): no moment of 0755.
                guard fchmod(socket, 0o600) == 0 else { throw .system("fchmod", errno) }
            } else {
                Sockets.setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1)
            }
            self.address = try Sockets.bind(socket, address)
            guard Glibc.listen(socket, Listener.backlog) == 0 else {
                throw errno == EADDRINUSE ? .addressInUse(address.description) : .system("listen", errno)
            }
            descriptor = socket
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    /// A socket that somebody else has made to listen, and given to this process.
    public init(inherited descriptor: Int32) throws(RingError) {
        guard let address = Sockets.localAddress(of: descriptor) else { throw .system("getsockname", errno) }
        (self.descriptor, self.address) = (descriptor, address)
    }

    private static func removeStale(_ path: String) throws(RingError) {
        guard path.utf8.count <= SocketAddress.unixPathLimit else { throw .addressInvalid(path) }
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .addressInUse(path) }
        let probe = try Sockets.open(.unix(path), type: Int32(SOCK_STREAM.rawValue))
        defer { Glibc.close(probe) }
        let isDead = SocketAddress.unix(path).withSocketAddress { pointer, length in
            Glibc.connect(probe, pointer, length) != 0 && errno == ECONNREFUSED
        }
        guard isDead else { throw .addressInUse(path) }
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("unlink", errno) }
    }
}
