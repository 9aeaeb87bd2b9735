import Codec

/// What a person does with what was begun by a `HandRequest`.
public enum HandInput: Hashable, Sendable {
    /// None: the end of it.
    case bytes(Bytes)
    case window(rows: UInt16, columns: UInt16)
    /// To the program and its children.
    case signal(Int32)
}

extension HandInput: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .bytes(try Bytes(cbor: content))
        case 2:
            let sizes = try [UInt64](cbor: content)
            guard sizes.count == 2 else { throw .invalid("a window of \(sizes.count) sizes") }
            self = .window(rows: UInt16(clamping: sizes[0]), columns: UInt16(clamping: sizes[1]))
        case 3:
            let signal = try UInt64(cbor: content)
            guard (1...64).contains(signal) else { throw .invalid("signal \(signal)") }
            self = .signal(Int32(signal))
        default: throw .invalid("input \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .bytes(let bytes): numbered(1, bytes.cbor)
        case .window(let rows, let columns): numbered(2, [UInt64(rows), UInt64(columns)].cbor)
        case .signal(let number): numbered(3, UInt64(max(0, number)).cbor)
        }
    }
}
