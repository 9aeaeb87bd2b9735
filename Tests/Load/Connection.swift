import Codec
import Glibc
import Node

/// One connection to a daemon's local socket, with one request under way at a time.
final class Connection {
    let descriptor: Int32
    private var received: [UInt8] = []

    /// Connects at once or fails.
    init(path: String) throws(LoadError) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            close(descriptor)
            throw .system("the path is too long: \(path)", ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else {
            let failure = errno
            close(descriptor)
            throw .system("connect to \(path)", failure)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Sends one request: four bytes of length, then the message.
    func send(_ request: APIRequest) throws(LoadError) {
        let message = request.encoded()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(message.count + 4)
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: UInt32(message.count) >> shift))
        }
        bytes += message
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .system("send", errno) }
            sent += count
        }
    }

    /// The answer, where all of it has come; reads what is there and never waits.
    func answer() throws(LoadError) -> APIReply? {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return nil }
            throw .system("the daemon is gone", count == 0 ? ECONNRESET : errno)
        }
        received += chunk[..<count]
        guard received.count >= 4 else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(received[$1]) << ($1 * 8) }
        guard received.count >= 4 + length else { return nil }
        let message = Array(received[4..<(4 + length)])
        received.removeFirst(4 + length)
        do throws(CodecError) {
            return try APIReply(encoded: message)
        } catch {
            throw .unreadable("\(error)")
        }
    }
}
