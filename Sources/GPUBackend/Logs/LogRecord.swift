/// One piece of output, as it was read from the command: not a line, so that half a line is seen at once.
///
/// On disk: u64 Unix nanoseconds, u32 length, u8 stream, u8 zero, u16 mark, then the bytes; little-endian.
public struct LogRecord: Hashable, Sendable {
    /// Unix nanoseconds.
    public var time: Int64
    public var stream: LogStream
    public var content: Content
    /// Where a reader goes on after it.
    public var next: LogCursor

    public enum Content: Hashable, Sendable {
        case bytes([UInt8])
        /// This many bytes of output were written here and are no longer kept.
        case gap(bytes: UInt64)
    }

    public init(time: Int64, stream: LogStream, content: Content, next: LogCursor = LogCursor()) {
        self.time = time
        self.stream = stream
        self.content = content
        self.next = next
    }

    static let headerBytes = 16
    /// Longest piece in one record.
    static let maximumBytes = 1 << 20
    private static let mark: UInt16 = 0x4C53

    static func header(time: Int64, stream: LogStream, count: Int, into header: UnsafeMutableRawBufferPointer) {
        header.storeBytes(of: time.littleEndian, toByteOffset: 0, as: Int64.self)
        header.storeBytes(of: UInt32(count).littleEndian, toByteOffset: 8, as: UInt32.self)
        header.storeBytes(of: stream.rawValue, toByteOffset: 12, as: UInt8.self)
        header.storeBytes(of: 0, toByteOffset: 13, as: UInt8.self)
        header.storeBytes(of: mark.littleEndian, toByteOffset: 14, as: UInt16.self)
    }

    /// Time, stream and length of the record at `offset`, or nil where no whole, sound header stands.
    static func parseHeader(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> (Int64, LogStream, Int)? {
        guard bytes.count - offset >= headerBytes else { return nil }
        let time = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
        let count = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
        let found = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 14, as: UInt16.self))
        guard found == mark, count <= UInt32(maximumBytes), let stream = LogStream(rawValue: bytes[offset + 12]) else {
            return nil
        }
        return (time, stream, Int(count))
    }
}
