/// The strict decoder: accepts the one deterministic encoding of a value and nothing else.
///
/// Nothing is allocated for a length before that many bytes are known to be there, and nesting is bounded, so the work
/// and the memory for any input are proportional to its size.
struct CBORDecoder {
    private let start: UnsafePointer<UInt8>?
    private let count: Int
    private var offset = 0
    private var depthLeft: Int
    private var valuesLeft: Int

    static func decode(
        _ bytes: ArraySlice<UInt8>, limits: CBORLimits, wholeInput: Bool
    ) throws(CodecError) -> (value: CBOR, byteCount: Int) {
        guard bytes.count <= limits.byteCount else { throw .malformed(.cbor, .tooLarge, offset: limits.byteCount) }
        return try bytes.withUnsafeBufferPointer { (buffer) throws(CodecError) -> (value: CBOR, byteCount: Int) in
            var decoder = CBORDecoder(
                start: buffer.baseAddress, count: buffer.count, depthLeft: limits.depth, valuesLeft: limits.valueCount)
            let value = try decoder.value()
            if wholeInput, decoder.offset < decoder.count { throw .malformed(.cbor, .trailing, offset: decoder.offset) }
            return (value, decoder.offset)
        }
    }

    private init(start: UnsafePointer<UInt8>?, count: Int, depthLeft: Int, valuesLeft: Int) {
        self.start = start
        self.count = count
        self.depthLeft = depthLeft
        self.valuesLeft = valuesLeft
    }

    private func flaw(_ flaw: CodecError.Flaw) -> CodecError { .malformed(.cbor, flaw, offset: offset) }

    private mutating func value() throws(CodecError) -> CBOR {
        guard valuesLeft > 0 else { throw flaw(.tooLarge) }
        valuesLeft -= 1
        let initial = try byte()
        if initial >> 5 == 7 { return try simpleOrFloat(initial & 31) }
        let argument = try argument(initial & 31)
        switch initial >> 5 {
        case 0: return .unsigned(argument)
        case 1: return .negative(argument)
        case 2: return .bytes(Array(try content(argument)))
        case 3:
            let start = offset
            guard let text = String(validating: try content(argument), as: UTF8.self) else {
                throw .malformed(.cbor, .badText, offset: start)
            }
            return .text(text)
        case 4: return .array(try nested { (decoder) throws(CodecError) in try decoder.elements(argument) })
        case 5: return .map(try nested { (decoder) throws(CodecError) in try decoder.entries(argument) })
        default: return .tagged(argument, try nested { (decoder) throws(CodecError) in try decoder.value() })
        }
    }

    private mutating func nested<T>(
        _ body: (inout CBORDecoder) throws(CodecError) -> T
    ) throws(CodecError) -> T {
        guard depthLeft > 0 else { throw flaw(.tooDeep) }
        depthLeft -= 1
        let result = try body(&self)
        depthLeft += 1
        return result
    }

    private mutating func elements(_ declared: UInt64) throws(CodecError) -> [CBOR] {
        let total = try itemCount(declared, bytesEach: 1)
        var elements = [CBOR]()
        // A bounded reserve: nested arrays that each claim the rest of the input must not multiply memory.
        elements.reserveCapacity(min(total, 256))
        for _ in 0..<total { elements.append(try value()) }
        return elements
    }

    private mutating func entries(_ declared: UInt64) throws(CodecError) -> CBORMap {
        let total = try itemCount(declared, bytesEach: 2)
        var map = CBORMap()
        map.reserveCapacity(min(total, 256))
        for _ in 0..<total {
            let keyOffset = offset
            let key = try value()
            if let last = map.lastKey {
                switch CBORMap.order(last, key) {
                case ..<0: break
                case 0: throw .malformed(.cbor, .duplicateKey, offset: keyOffset)
                default: throw .malformed(.cbor, .unsorted, offset: keyOffset)
                }
            }
            map.appendLast(key, try value())
        }
        return map
    }

    /// A count of items that may still be there, each taking at least `bytesEach` bytes.
    private func itemCount(_ declared: UInt64, bytesEach: Int) throws(CodecError) -> Int {
        guard declared <= UInt64((count - offset) / bytesEach) else { throw flaw(.truncated) }
        guard declared <= UInt64(valuesLeft) else { throw flaw(.tooLarge) }
        return Int(declared)
    }

    private mutating func simpleOrFloat(_ information: UInt8) throws(CodecError) -> CBOR {
        switch information {
        case 0..<20: return .simple(information)
        case 20: return .bool(false)
        case 21: return .bool(true)
        case 22: return .null
        case 23: return .undefined
        case 24:
            let value = try byte()
            guard value >= 32 else { throw flaw(.nonCanonical) }
            return .simple(value)
        case 25:
            let half = UInt16(try integer(byteCount: 2))
            let value = HalfFloat.value(half)
            if value.isNaN, half != 0x7E00 { throw flaw(.nonCanonical) }
            return .float(value)
        case 26:
            let value = Double(Float(bitPattern: UInt32(try integer(byteCount: 4))))
            if value.isNaN || HalfFloat.exactly(value) != nil { throw flaw(.nonCanonical) }
            return .float(value)
        case 27:
            let value = Double(bitPattern: try integer(byteCount: 8))
            if value.isNaN || Float(exactly: value) != nil { throw flaw(.nonCanonical) }
            return .float(value)
        case 31: throw flaw(.nonCanonical)
        default: throw flaw(.unexpectedByte)
        }
    }

    private mutating func argument(_ information: UInt8) throws(CodecError) -> UInt64 {
        let value: UInt64
        let least: UInt64
        switch information {
        case 0..<24: return UInt64(information)
        case 24: (value, least) = (UInt64(try byte()), 24)
        case 25: (value, least) = (try integer(byteCount: 2), 0x100)
        case 26: (value, least) = (try integer(byteCount: 4), 0x1_0000)
        case 27: (value, least) = (try integer(byteCount: 8), 0x1_0000_0000)
        case 31: throw flaw(.nonCanonical)
        default: throw flaw(.unexpectedByte)
        }
        guard value >= least else { throw flaw(.nonCanonical) }
        return value
    }

    private mutating func byte() throws(CodecError) -> UInt8 {
        guard let start, offset < count else { throw flaw(.truncated) }
        defer { offset += 1 }
        return start[offset]
    }

    private mutating func integer(byteCount: Int) throws(CodecError) -> UInt64 {
        guard let start, count - offset >= byteCount else { throw flaw(.truncated) }
        var value: UInt64 = 0
        for index in offset..<offset + byteCount { value = value << 8 | UInt64(start[index]) }
        offset += byteCount
        return value
    }

    private mutating func content(_ declared: UInt64) throws(CodecError) -> UnsafeBufferPointer<UInt8> {
        guard declared <= UInt64(count - offset) else { throw flaw(.truncated) }
        defer { offset += Int(declared) }
        return UnsafeBufferPointer(start: start.map { $0 + offset }, count: Int(declared))
    }
}
