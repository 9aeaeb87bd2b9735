/// A value with one CBOR form.
public protocol CBORCodable: Sendable {
    /// - Throws: `CodecError` where the value has another type or a meaning that is not allowed.
    init(cbor: CBOR) throws(CodecError)
    /// The value's one form.
    var cbor: CBOR { get }
}

extension CBORCodable {
    /// From the strict, deterministic encoding.
    public init(encoded: [UInt8], limits: CBORLimits = .default) throws(CodecError) {
        try self.init(cbor: CBOR.decode(encoded, limits: limits))
    }

    /// From the strict, deterministic encoding.
    public init(encoded: ArraySlice<UInt8>, limits: CBORLimits = .default) throws(CodecError) {
        try self.init(cbor: CBOR.decode(encoded, limits: limits))
    }

    /// The deterministic encoding.
    public func encoded() -> [UInt8] { cbor.encoded() }
}

extension CBOR: CBORCodable {
    public init(cbor: CBOR) { self = cbor }
    public var cbor: CBOR { self }
}

extension CBORMap: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self = try cbor.requireMap() }
    public var cbor: CBOR { .map(self) }
}

extension CBORCodable where Self: FixedWidthInteger {
    public init(cbor: CBOR) throws(CodecError) {
        let value: Self? =
            switch cbor {
            case .unsigned(let value): Self(exactly: value)
            // -1 - n, computed as the complement of n, which cannot overflow where n itself fits.
            case .negative(let value) where Self.isSigned: Self(exactly: value).map { ~$0 }
            case .negative: nil
            default: throw .mismatch(key: nil, expected: "an integer", found: cbor.kind)
            }
        guard let value else {
            throw .mismatch(key: nil, expected: "an integer of \(Self.min)...\(Self.max)", found: "one out of range")
        }
        self = value
    }

    public var cbor: CBOR { .integer(self) }
}

extension Int: CBORCodable {}
extension Int64: CBORCodable {}
extension Int32: CBORCodable {}
extension UInt: CBORCodable {}
extension UInt64: CBORCodable {}
extension UInt32: CBORCodable {}
extension UInt16: CBORCodable {}
extension UInt8: CBORCodable {}

extension Bool: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        guard case .bool(let value) = cbor else { throw .mismatch(key: nil, expected: "a boolean", found: cbor.kind) }
        self = value
    }
    public var cbor: CBOR { .bool(self) }
}

extension Double: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        guard case .float(let value) = cbor else { throw .mismatch(key: nil, expected: "a float", found: cbor.kind) }
        self = value
    }
    public var cbor: CBOR { .float(self) }
}

extension String: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self = try cbor.requireText() }
    public var cbor: CBOR { .text(self) }
}

extension Bytes: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(try cbor.requireBytes()) }
    public var cbor: CBOR { .bytes(array) }
}

extension Digest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        guard let digest = Digest(bytes: try cbor.requireBytes()) else {
            throw .mismatch(key: nil, expected: "a digest of 32 bytes", found: "another length")
        }
        self = digest
    }
    public var cbor: CBOR { .bytes(bytes) }
}

/// A list. Beware: `[UInt8]` in this form is a list of integers; a byte string is `Bytes`.
extension Array: CBORCodable where Element: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let elements = try cbor.requireArray()
        self = []
        reserveCapacity(elements.count)
        for element in elements { append(try Element(cbor: element)) }
    }

    public var cbor: CBOR { .array(map(\.cbor)) }
}

extension NodeID: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(try UInt64(cbor: cbor)) }
    public var cbor: CBOR { .unsigned(rawValue) }
}

extension Instant: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(nanoseconds: try Int64(cbor: cbor)) }
    public var cbor: CBOR { nanoseconds.cbor }
}

extension Interval: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(nanoseconds: try Int64(cbor: cbor)) }
    public var cbor: CBOR { nanoseconds.cbor }
}
