import Codec

/// Messages on a supervisor's socket: u32 little-endian length, then that many bytes of CBOR.
public struct SupervisorFrames<Message: CBORCodable>: Sendable {
    /// Longest message: a command line and an environment of the size that Linux lets a program have (ARG_MAX, 2 MiB).
    public static var maximumBytes: Int { 4 << 20 }

    private var buffer: [UInt8] = []
    private var start = 0

    public init() {}

    /// One message as it goes onto the socket.
    public static func frame(_ message: Message) -> [UInt8] {
        let body = message.encoded()
        precondition(body.count <= maximumBytes, "a message to a supervisor is bounded where it is made")
        let count = UInt32(body.count)
        return [
            UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8),
            UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 24),
        ] + body
    }

    /// Bytes as they came from the socket.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message, or nil until more bytes came. After an error the connection is of no more use.
    public mutating func next() throws(HostError) -> Message? {
        guard buffer.count - start >= 4 else { return nil }
        var count: UInt64 = 0
        for index in 0..<4 { count |= UInt64(buffer[start + index]) << (8 * UInt64(index)) }
        guard count <= UInt64(Self.maximumBytes) else {
            throw .frameTooLarge(bytes: count, limit: Self.maximumBytes)
        }
        let end = start + 4 + Int(count)
        guard buffer.count >= end else { return nil }
        do throws(CodecError) {
            let message = try Message(encoded: buffer[(start + 4)..<end])
            start = end
            return message
        } catch { throw .damaged(path: "supervisor socket", error) }
    }
}
