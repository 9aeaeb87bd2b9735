/// The strict reader behind `JSON.parse`.
struct JSONParser {
    private let bytes: [UInt8]
    private let limits: JSONLimits
    private var offset = 0
    private var depthLeft: Int

    init(bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
        depthLeft = limits.depth
    }

    mutating func document() throws(CodecError) -> JSON {
        guard bytes.count <= limits.byteCount else { throw .malformed(.json, .tooLarge, offset: limits.byteCount) }
        let value = try value()
        skipSpace()
        guard offset == bytes.count else { throw flaw(.trailing) }
        return value
    }

    private func flaw(_ flaw: CodecError.Flaw) -> CodecError { .malformed(.json, flaw, offset: offset) }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let next, next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { offset += 1 }
    }

    private mutating func take() throws(CodecError) -> UInt8 {
        guard let next else { throw flaw(.truncated) }
        offset += 1
        return next
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(CodecError) {
        guard let next else { throw flaw(.truncated) }
        guard next == UInt8(ascii: character) else { throw flaw(.unexpectedByte) }
        offset += 1
    }

    private mutating func value() throws(CodecError) -> JSON {
        skipSpace()
        guard let next else { throw flaw(.truncated) }
        switch next {
        case UInt8(ascii: "{"): return .object(try nested { (parser) throws(CodecError) in try parser.members() })
        case UInt8(ascii: "["): return .array(try nested { (parser) throws(CodecError) in try parser.elements() })
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw flaw(.unexpectedByte)
        }
    }

    private mutating func nested<T>(_ body: (inout JSONParser) throws(CodecError) -> T) throws(CodecError) -> T {
        guard depthLeft > 0 else { throw flaw(.tooDeep) }
        depthLeft -= 1
        offset += 1
        let result = try body(&self)
        depthLeft += 1
        return result
    }

    private mutating func word(_ text: StaticString, _ value: JSON) throws(CodecError) -> JSON {
        for index in 0..<text.utf8CodeUnitCount { try expect(Unicode.Scalar(text.utf8Start[index])) }
        return value
    }

    private mutating func elements() throws(CodecError) -> [JSON] {
        var elements = [JSON]()
        skipSpace()
        if next == UInt8(ascii: "]") {
            offset += 1
            return elements
        }
        while true {
            elements.append(try value())
            skipSpace()
            if next == UInt8(ascii: "]") {
                offset += 1
                return elements
            }
            try expect(",")
        }
    }

    private mutating func members() throws(CodecError) -> [(key: String, value: JSON)] {
        var members = [(key: String, value: JSON)]()
        var seen = SeenKeys()
        skipSpace()
        if next == UInt8(ascii: "}") {
            offset += 1
            return members
        }
        while true {
            skipSpace()
            let keyOffset = offset
            let key = try string()
            guard seen.insert(key, after: members) else {
                throw .malformed(.json, .duplicateKey, offset: keyOffset)
            }
            guard members.count < limits.memberCount else { throw .malformed(.json, .tooLarge, offset: keyOffset) }
            skipSpace()
            try expect(":")
            members.append((key, try value()))
            skipSpace()
            if next == UInt8(ascii: "}") {
                offset += 1
                return members
            }
            try expect(",")
        }
    }

    /// The keys of an object that were read, by their bytes: two spellings of one accented letter are two keys. A few are
    /// compared one by one, for which nothing has to be allocated.
    private struct SeenKeys {
        private static let few = 16
        private var many = Set<[UInt8]>()

        mutating func insert(_ key: String, after members: [(key: String, value: JSON)]) -> Bool {
            guard members.count >= SeenKeys.few else {
                return !members.contains { $0.key.utf8.elementsEqual(key.utf8) }
            }
            if many.isEmpty { many = Set(members.map { Array($0.key.utf8) }) }
            return many.insert(Array(key.utf8)).inserted
        }
    }

    // MARK: Texts

    private mutating func string() throws(CodecError) -> String {
        try expect("\"")
        let start = offset
        while let next, next != UInt8(ascii: "\""), next != UInt8(ascii: "\\"), next >= 0x20 { offset += 1 }
        var content = bytes[start..<offset]
        while true {
            let byte = try take()
            switch byte {
            case UInt8(ascii: "\""):
                // By far the most; any other has to be looked at.
                if content.allSatisfy({ $0 < 0x80 }) { return String(decoding: content, as: UTF8.self) }
                guard let text = String(validating: content, as: UTF8.self) else {
                    throw .malformed(.json, .badText, offset: start)
                }
                return text
            case UInt8(ascii: "\\"): try escape(into: &content)
            case 0..<0x20:
                offset -= 1
                throw flaw(.unexpectedByte)
            default: content.append(byte)
            }
        }
    }

    private mutating func escape(into content: inout ArraySlice<UInt8>) throws(CodecError) {
        switch try take() {
        case UInt8(ascii: "\""): content.append(0x22)
        case UInt8(ascii: "\\"): content.append(0x5C)
        case UInt8(ascii: "/"): content.append(0x2F)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try escapedScalar()
            content.append(contentsOf: String(Character(scalar)).utf8)
        default:
            offset -= 1
            throw flaw(.unexpectedByte)
        }
    }

    private mutating func escapedScalar() throws(CodecError) -> Unicode.Scalar {
        let start = offset
        var code = try fourDigits()
        if (0xD800..<0xDC00).contains(code), next == UInt8(ascii: "\\") {
            offset += 1
            try expect("u")
            let low = try fourDigits()
            guard (0xDC00..<0xE000).contains(low) else { throw .malformed(.json, .badText, offset: start) }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        // Not a scalar means half of a surrogate pair.
        guard let scalar = Unicode.Scalar(code) else { throw .malformed(.json, .badText, offset: start) }
        return scalar
    }

    private mutating func fourDigits() throws(CodecError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Hex.value(try take()) else {
                offset -= 1
                throw flaw(.unexpectedByte)
            }
            code = code << 4 | UInt32(digit)
        }
        return code
    }

    // MARK: Numbers

    private mutating func number() throws(CodecError) -> JSON {
        let start = offset
        if next == UInt8(ascii: "-") { offset += 1 }
        let firstDigit = offset
        try digits()
        if offset - firstDigit > 1, bytes[firstDigit] == UInt8(ascii: "0") {
            throw .malformed(.json, .nonCanonical, offset: firstDigit)
        }
        var isWhole = true
        if next == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isWhole = false
            offset += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if text == "-0" { return .number(-0.0) }
        if isWhole {
            guard let value = Int64(text) else { throw .malformed(.json, .outOfRange, offset: start) }
            return .integer(value)
        }
        guard let value = Double(text), value.isFinite else { throw .malformed(.json, .outOfRange, offset: start) }
        return .number(value)
    }

    private mutating func digits() throws(CodecError) {
        let start = offset
        while let next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { offset += 1 }
        guard offset > start else { throw flaw(next == nil ? .truncated : .unexpectedByte) }
    }
}
