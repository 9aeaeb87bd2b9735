/// One CBOR value (RFC 8949) of the strict, deterministic subset that swarmlet speaks.
///
/// There is exactly one encoding of every value (section 4.2.1: shortest integers and floats, definite lengths, map keys
/// sorted by their encoding), and `decode` refuses every other: bytes can be hashed, signed and compared for equality
/// of meaning. Bignums and other tags pass through as `tagged`; they are not interpreted.
public enum CBOR: Hashable, Sendable {
    case unsigned(UInt64)
    /// The value -1 - n.
    case negative(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map(CBORMap)
    indirect case tagged(UInt64, CBOR)
    case bool(Bool)
    case null
    case undefined
    /// An unassigned simple value: 0...19 or 32...255.
    case simple(UInt8)
    case float(Double)

    /// A whole number of either sign.
    public static func integer(_ value: some BinaryInteger) -> CBOR {
        value < 0 ? .negative(UInt64(-1 - value)) : .unsigned(UInt64(value))
    }

    /// The one deterministic encoding.
    public func encoded() -> [UInt8] {
        var bytes = [UInt8]()
        // Most messages fit: one allocation instead of six.
        bytes.reserveCapacity(128)
        encode(into: &bytes)
        return bytes
    }

    /// Decodes exactly one value that fills the whole input.
    ///
    /// - Throws: `CodecError.malformed(.cbor, ...)`, naming the flaw and the byte where it was seen.
    public static func decode(_ bytes: [UInt8], limits: CBORLimits = .default) throws(CodecError) -> CBOR {
        try CBORDecoder.decode(bytes[...], limits: limits, wholeInput: true).value
    }

    /// Decodes exactly one value that fills the whole slice.
    public static func decode(_ bytes: ArraySlice<UInt8>, limits: CBORLimits = .default) throws(CodecError) -> CBOR {
        try CBORDecoder.decode(bytes, limits: limits, wholeInput: true).value
    }

    /// Decodes the first value of the slice; `byteCount` is how many bytes it took. For streams of concatenated values.
    public static func decodeFirst(
        _ bytes: ArraySlice<UInt8>, limits: CBORLimits = .default
    ) throws(CodecError) -> (value: CBOR, byteCount: Int) {
        try CBORDecoder.decode(bytes, limits: limits, wholeInput: false)
    }

    /// What kind of value this is, in words for an error message.
    public var kind: String {
        switch self {
        case .unsigned, .negative: "an integer"
        case .bytes: "a byte string"
        case .text: "a text"
        case .array: "an array"
        case .map: "a map"
        case .tagged(let tag, _): "tag \(tag)"
        case .bool: "a boolean"
        case .null: "null"
        case .undefined: "undefined"
        case .simple(let value): "simple value \(value)"
        case .float: "a float"
        }
    }
}

extension CBOR {
    /// The map in this value.
    public func requireMap() throws(CodecError) -> CBORMap {
        guard case .map(let map) = self else { throw .mismatch(key: nil, expected: "a map", found: kind) }
        return map
    }

    /// The array in this value.
    public func requireArray() throws(CodecError) -> [CBOR] {
        guard case .array(let array) = self else { throw .mismatch(key: nil, expected: "an array", found: kind) }
        return array
    }

    /// The byte string in this value.
    public func requireBytes() throws(CodecError) -> [UInt8] {
        guard case .bytes(let bytes) = self else { throw .mismatch(key: nil, expected: "a byte string", found: kind) }
        return bytes
    }

    /// The text in this value.
    public func requireText() throws(CodecError) -> String {
        guard case .text(let text) = self else { throw .mismatch(key: nil, expected: "a text", found: kind) }
        return text
    }
}
