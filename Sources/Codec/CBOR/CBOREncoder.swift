/// Deterministic encoding, RFC 8949 section 4.2.1. Everything appends to one array.
extension CBOR {
    /// Appends the one deterministic encoding to `bytes`.
    public func encode(into bytes: inout [UInt8]) {
        switch self {
        case .unsigned(let value): CBOR.appendHead(0, value, to: &bytes)
        case .negative(let value): CBOR.appendHead(1, value, to: &bytes)
        case .bytes(let content):
            CBOR.appendHead(2, UInt64(content.count), to: &bytes)
            bytes.append(contentsOf: content)
        case .text(let text):
            CBOR.appendHead(3, UInt64(text.utf8.count), to: &bytes)
            bytes.append(contentsOf: text.utf8)
        case .array(let elements):
            CBOR.appendHead(4, UInt64(elements.count), to: &bytes)
            for element in elements { element.encode(into: &bytes) }
        case .map(let map): map.encode(into: &bytes)
        case .tagged(let tag, let content):
            CBOR.appendHead(6, tag, to: &bytes)
            content.encode(into: &bytes)
        case .bool(let value): bytes.append(value ? 0xF5 : 0xF4)
        case .null: bytes.append(0xF6)
        case .undefined: bytes.append(0xF7)
        case .simple(let value):
            precondition(value < 20 || value >= 32, "simple values 20...31 have names of their own or are reserved")
            CBOR.appendHead(7, UInt64(value), to: &bytes)
        case .float(let value): CBOR.appendFloat(value, to: &bytes)
        }
    }

    /// Appends the head of an item: major type and its argument in the fewest bytes.
    @inline(__always)
    static func appendHead(_ major: UInt8, _ argument: UInt64, to bytes: inout [UInt8]) {
        let type = major << 5
        switch argument {
        case 0..<24: bytes.append(type | UInt8(argument))
        case 24..<0x100:
            bytes.append(type | 24)
            bytes.append(UInt8(argument))
        case 0x100..<0x1_0000:
            bytes.append(type | 25)
            appendBigEndian(argument, byteCount: 2, to: &bytes)
        case 0x1_0000..<0x1_0000_0000:
            bytes.append(type | 26)
            appendBigEndian(argument, byteCount: 4, to: &bytes)
        default:
            bytes.append(type | 27)
            appendBigEndian(argument, byteCount: 8, to: &bytes)
        }
    }

    private static func appendBigEndian(_ value: UInt64, byteCount: Int, to bytes: inout [UInt8]) {
        var shift = (byteCount - 1) * 8
        while shift >= 0 {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
            shift -= 8
        }
    }

    /// The shortest of half, single and double precision that keeps the value; every NaN becomes the one quiet NaN.
    private static func appendFloat(_ value: Double, to bytes: inout [UInt8]) {
        if value.isNaN {
            bytes.append(contentsOf: [0xF9, 0x7E, 0x00])
        } else if let half = HalfFloat.exactly(value) {
            bytes.append(0xF9)
            appendBigEndian(UInt64(half), byteCount: 2, to: &bytes)
        } else if let single = Float(exactly: value) {
            bytes.append(0xFA)
            appendBigEndian(UInt64(single.bitPattern), byteCount: 4, to: &bytes)
        } else {
            bytes.append(0xFB)
            appendBigEndian(value.bitPattern, byteCount: 8, to: &bytes)
        }
    }
}

/// Half precision as bit patterns: some of the targets have no `Float16`.
enum HalfFloat {
    /// The half with exactly this value, or nil. Not for NaN.
    static func exactly(_ value: Double) -> UInt16? {
        let sign = UInt16(value.sign == .minus ? 0x8000 : 0)
        if value == 0 { return sign }
        if value.isInfinite { return sign | 0x7C00 }
        let exponent = Int(value.exponent)
        guard (-24...15).contains(exponent) else { return nil }
        // The significand as a whole number of 53 bits; a half keeps 11 of them, fewer below its normal range.
        let significand = value.significandBitPattern | (1 << 52)
        let keptBits = exponent >= -14 ? 11 : 25 + exponent
        let dropped = UInt64(53 - keptBits)
        guard significand & ((1 << dropped) - 1) == 0 else { return nil }
        let kept = UInt16(significand >> dropped)
        if exponent < -14 { return sign | kept }
        return sign | UInt16(exponent + 15) << 10 | (kept & 0x03FF)
    }

    /// The value of a half.
    static func value(_ half: UInt16) -> Double {
        let magnitude: Double
        let fraction = Double(half & 0x03FF)
        switch Int(half >> 10 & 0x1F) {
        case 0: magnitude = fraction * 0x1p-24
        case 31: magnitude = fraction == 0 ? .infinity : .nan
        case let exponent:
            magnitude = Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
        }
        return half & 0x8000 == 0 ? magnitude : -magnitude
    }
}
