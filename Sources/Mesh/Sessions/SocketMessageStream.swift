import Codec
import Glibc
import Ring

/// Messages over a stream socket between processes of one host: `length(4, little-endian) bytes`. Confined to its loop.
///
/// It encrypts nothing: it is for the local socket, whose file mode and peer credentials say who may use it. One call
/// takes one connection. It owns the socket; `cancel` closes it.
public final class SocketMessageStream: MessageStream, @unchecked Sendable {
    private static let headerBytes = 4

    private let loop: any EventLoop
    private let socket: Int32
    private let reader: SocketReader
    private let sent: LoopSignal
    private var isSending = false
    private var hasFinished = false
    private var isClosed = false

    public init(_ loop: any EventLoop, socket: Int32) {
        self.loop = loop
        self.socket = socket
        reader = SocketReader(loop, socket)
        sent = LoopSignal(loop)
    }

    /// Connects to a unix socket.
    public static func connect(
        _ loop: any EventLoop, path: String, deadline: Instant? = nil
    ) async throws(MeshError) -> SocketMessageStream {
        let address = SocketAddress.unix(path)
        do throws(RingError) {
            return SocketMessageStream(loop, socket: try await loop.connect(address, deadline: deadline))
        } catch {
            throw MeshError(connecting: address, error)
        }
    }

    /// Who is at the other end.
    public func peerCredentials() throws(MeshError) -> PeerCredentials {
        guard !isClosed else { throw .closed }
        do throws(RingError) {
            return try PeerCredentials(of: socket)
        } catch {
            throw .system(error)
        }
    }

    public func send(_ message: [UInt8]) async throws(MeshError) {
        guard message.count <= SessionConstants.messageBytesMax else { throw .messageTooLong(message.count) }
        do throws(RingError) {
            while isSending { try await sent.wait() }
            guard !isClosed, !hasFinished else { throw RingError.closed }
            isSending = true
            defer {
                isSending = false
                sent.notify()
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(SocketMessageStream.headerBytes + message.count)
            bytes.appendLittleEndian(UInt32(message.count))
            bytes.append(contentsOf: message)
            try await loop.send(socket, bytes, deadline: nil)
        } catch {
            throw MeshError(error)
        }
    }

    public func receive() async throws(MeshError) -> [UInt8]? {
        guard !isClosed else { throw .closed }
        guard try await reader.wait(for: SocketMessageStream.headerBytes, deadline: nil) else { return nil }
        var header = reader.take(SocketMessageStream.headerBytes)
        let length: UInt32 = try header.takeLittleEndian()
        guard Int(length) <= SessionConstants.messageBytesMax else {
            cancel()
            throw .frameTooLong(Int(length))
        }
        try await reader.require(Int(length), deadline: nil)
        return Array(reader.take(Int(length)))
    }

    public func finish() async {
        do throws(RingError) {
            while isSending { try await sent.wait() }
        } catch {
            // The loop stops or the task was cancelled: the shutdown below still says all there is to say.
        }
        guard !isClosed, !hasFinished else { return }
        hasFinished = true
        shutdown(socket, Int32(SHUT_WR))
    }

    public func cancel() {
        guard !isClosed else { return }
        isClosed = true
        loop.close(socket)
    }
}
