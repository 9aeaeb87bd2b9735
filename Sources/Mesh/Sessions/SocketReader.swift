import Codec
import Ring

/// Collects the bytes of a stream socket until a frame is whole. Confined to its loop.
final class SocketReader: @unchecked Sendable {
    private let loop: any EventLoop
    private let socket: Int32
    /// Bytes received; those before `head` have been taken.
    var buffer: [UInt8] = []
    private(set) var head = 0
    /// When bytes last came.
    private(set) var lastHeard: Instant

    init(_ loop: any EventLoop, _ socket: Int32) {
        self.loop = loop
        self.socket = socket
        lastHeard = loop.now
    }

    var available: Int { buffer.count - head }

    /// Waits until `count` bytes are there; false when the other side finished first, at a boundary (nothing is there).
    func wait(for count: Int, deadline: Instant?) async throws(MeshError) -> Bool {
        while available < count {
            let bytes: [UInt8]
            do throws(RingError) {
                bytes = try await loop.receive(socket, maximum: 65_536, deadline: deadline)
            } catch {
                throw MeshError(error)
            }
            guard !bytes.isEmpty else {
                guard available == 0 else { throw .disconnected }
                return false
            }
            lastHeard = loop.now
            if head == buffer.count {
                buffer = bytes
                head = 0
            } else {
                if head > 0 {
                    buffer.removeFirst(head)
                    head = 0
                }
                buffer.append(contentsOf: bytes)
            }
        }
        return true
    }

    /// As `wait`, where the other side may not finish here.
    func require(_ count: Int, deadline: Instant?) async throws(MeshError) {
        guard try await wait(for: count, deadline: deadline) else { throw .disconnected }
    }

    /// Takes bytes that are there.
    func take(_ count: Int) -> ArraySlice<UInt8> {
        precondition(count <= available, "the bytes have been waited for")
        defer { head += count }
        return buffer[head..<(head + count)]
    }

    /// Passes over bytes that are there; returns where they lie in `buffer`.
    func skip(_ count: Int) -> Range<Int> {
        precondition(count <= available, "the bytes have been waited for")
        defer { head += count }
        return head..<(head + count)
    }

    /// Looks at bytes that are there.
    func peek(_ count: Int) -> ArraySlice<UInt8> { buffer[head..<(head + min(count, available))] }
}
