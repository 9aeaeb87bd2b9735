/// Base64 with the URL alphabet and without padding (RFC 4648 section 5), strict: every byte string has one text, and
/// padding, white space, other alphabets and spare bits that are not zero are refused.
public enum Base64URL {
    // Over plain memory: the texts of a token would otherwise cost as much as its signature.

    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    /// What each character stands for; `strange` for all that have no meaning.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: strange, count: 256)
        for value in 0..<64 { values[Int(alphabet.utf8Start[value])] = UInt8(value) }
        return values
    }()
    private static let strange: UInt8 = 0xFF

    /// The text of some bytes.
    public static func encode(_ bytes: [UInt8]) -> String { bytes.withUnsafeBufferPointer { encode($0) } }

    /// The text of some bytes.
    @inlinable
    public static func encode(_ bytes: some Collection<UInt8>) -> String { encode(Array(bytes)) }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let alphabet = alphabet.utf8Start
        return String(unsafeUninitializedCapacity: (bytes.count * 4 + 2) / 3) { text in
            var (offset, count) = (0, 0)
            while offset + 3 <= bytes.count {
                let group = Int(bytes[offset]) << 16 | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2])
                text[count] = alphabet[group >> 18]
                text[count + 1] = alphabet[group >> 12 & 63]
                text[count + 2] = alphabet[group >> 6 & 63]
                text[count + 3] = alphabet[group & 63]
                offset += 3
                count += 4
            }
            guard offset < bytes.count else { return count }
            let isPair = offset + 2 == bytes.count
            let group = Int(bytes[offset]) << 16 | (isPair ? Int(bytes[offset + 1]) << 8 : 0)
            text[count] = alphabet[group >> 18]
            text[count + 1] = alphabet[group >> 12 & 63]
            guard isPair else { return count + 2 }
            text[count + 2] = alphabet[group >> 6 & 63]
            return count + 3
        }
    }

    /// The bytes of a text.
    ///
    /// - Throws: `CodecError.malformed(.base64url, ...)`.
    public static func decode(_ text: String) throws(CodecError) -> [UInt8] { try decode(Array(text.utf8)) }

    /// The bytes of a text given as ASCII.
    @inlinable
    public static func decode(_ text: some Collection<UInt8>) throws(CodecError) -> [UInt8] { try decode(Array(text)) }

    /// The bytes of a text given as ASCII.
    public static func decode(_ text: [UInt8]) throws(CodecError) -> [UInt8] {
        try text.withUnsafeBufferPointer { (text) throws(CodecError) in try decode(text) }
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>) throws(CodecError) -> [UInt8] {
        var (bits, bitCount, seen) = (UInt32(0), UInt32(0), UInt8(0))
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count * 3 / 4) { bytes, count in
            let whole = text.count & ~3
            for offset in stride(from: 0, to: whole, by: 4) {
                let first = values[Int(text[offset])], second = values[Int(text[offset + 1])]
                let third = values[Int(text[offset + 2])], fourth = values[Int(text[offset + 3])]
                seen |= first | second | third | fourth
                let group = UInt32(first) << 18 | UInt32(second) << 12 | UInt32(third) << 6 | UInt32(fourth)
                bytes[count] = UInt8(truncatingIfNeeded: group >> 16)
                bytes[count + 1] = UInt8(truncatingIfNeeded: group >> 8)
                bytes[count + 2] = UInt8(truncatingIfNeeded: group)
                count += 3
            }
            for character in text[whole...] {
                let value = values[Int(character)]
                seen |= value
                bits = bits << 6 | UInt32(value & 63)
                bitCount += 6
                guard bitCount >= 8 else { continue }
                bitCount -= 8
                bytes[count] = UInt8(truncatingIfNeeded: bits >> bitCount)
                count += 1
            }
        }
        if seen == strange, let offset = text.firstIndex(where: { values[Int($0)] == strange }) {
            throw .malformed(.base64url, .unexpectedByte, offset: offset)
        }
        // A single character of a group carries six bits, which is no byte.
        guard bitCount < 6 else { throw .malformed(.base64url, .truncated, offset: text.count) }
        guard bits & ((1 << bitCount) - 1) == 0 else {
            throw .malformed(.base64url, .nonCanonical, offset: text.count - 1)
        }
        return bytes
    }
}
