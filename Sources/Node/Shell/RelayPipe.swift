import Mesh
import Ring

/// Lets a session run inside a stream: one end of a pair of sockets is the session's, what passes the other end travels
/// as messages of the stream. Confined to its loop.
///
/// So a session through a relay is a session like any other, with its own handshake and keys between its two ends: the
/// relay carries what it cannot read.
final class RelayPipe: @unchecked Sendable {
    /// A message of the stream; the fragments of sessions are as long.
    private static let messageBytesMax = 32_768
    /// Little, so that what is urgent in the session waits for little.
    private static let bufferBytes: Int32 = 65_536

    private let loop: any EventLoop
    private let stream: any MessageStream
    private let far: Int32
    private var isClosed = false

    /// The session's end of a pipe into the stream. Whoever takes it closes it, and the pipe and the stream end with it.
    static func open(_ loop: any EventLoop, _ stream: any MessageStream) throws(MeshError) -> Int32 {
        do throws(RingError) {
            let (near, far) = try SocketPair.make(bufferBytes: bufferBytes)
            RelayPipe(loop, stream, far: far).start()
            return near
        } catch {
            throw .system(error)
        }
    }

    private init(_ loop: any EventLoop, _ stream: any MessageStream, far: Int32) {
        self.loop = loop
        self.stream = stream
        self.far = far
    }

    private func start() {
        loop.spawn("into a relay") { [self] in
            do {
                while true {
                    let bytes = try await loop.receive(far, maximum: Self.messageBytesMax, deadline: nil)
                    guard !bytes.isEmpty else { break }
                    try await stream.send(bytes)
                }
            } catch {
                // Either end is gone: so is the other, below.
            }
            close()
        }
        loop.spawn("out of a relay") { [self] in
            do {
                while let bytes = try await stream.receive() { try await loop.send(far, bytes, deadline: nil) }
            } catch {
                // As above.
            }
            close()
        }
    }

    private func close() {
        guard !isClosed else { return }
        isClosed = true
        stream.cancel()
        loop.close(far)
    }
}
