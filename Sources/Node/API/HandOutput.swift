import Codec

/// What comes of a `HandRequest`.
public enum HandOutput: Hashable, Sendable {
    /// The connection stands.
    case connected
    /// Stream 1 or 2 of a program, or what came over a connection; none: that was all.
    case bytes(stream: UInt8, Bytes)
    /// The program has ended; the last that comes.
    case ended(exitCode: Int32)
    /// So many bytes for the command are safe with its supervisor; where it is not open, it reads no more.
    case taken(UInt64, isOpen: Bool)
}

extension HandOutput: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .connected
        case 2: self = .bytes(stream: 1, try Bytes(cbor: content))
        case 3: self = .bytes(stream: 2, try Bytes(cbor: content))
        case 4: self = .ended(exitCode: Int32(truncatingIfNeeded: try UInt64(cbor: content)))
        case 5, 6: self = .taken(try UInt64(cbor: content), isOpen: number == 5)
        default: throw .invalid("output \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .connected: numbered(1)
        case .bytes(let stream, let bytes): numbered(stream == 2 ? 3 : 2, bytes.cbor)
        case .taken(let count, let isOpen): numbered(isOpen ? 5 : 6, count.cbor)
        case .ended(let exitCode): numbered(4, UInt64(max(0, exitCode)).cbor)
        }
    }
}
