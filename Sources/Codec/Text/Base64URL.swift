/// Base64 with the URL alphabet and without padding (RFC 4648 section 5), strict: every byte string has one text, and
/// padding, white space, other alphabets and spare bits that are not zero are refused.
public enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The text of some bytes.
    public static func encode(_ bytes: some Collection<UInt8>) -> String { encode(Array(bytes)) }

    // Of arrays: a generic loop costs more than the signature that it is for.
    private static func encode(_ bytes: [UInt8]) -> String {
        var text = [UInt8]()
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                text.append(alphabet[Int(bits >> bitCount & 63)])
            }
        }
        if bitCount > 0 { text.append(alphabet[Int(bits << (6 - bitCount) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text.
    ///
    /// - Throws: `CodecError.malformed(.base64url, ...)`.
    public static func decode(_ text: String) throws(CodecError) -> [UInt8] {
        try decode(Array(text.utf8))
    }

    /// The bytes of a text given as ASCII.
    public static func decode(_ text: some Collection<UInt8>) throws(CodecError) -> [UInt8] { try decode(Array(text)) }

    private static func decode(_ text: [UInt8]) throws(CodecError) -> [UInt8] {
        var bytes = [UInt8]()
        bytes.reserveCapacity(text.count * 3 / 4)
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for (offset, character) in text.enumerated() {
            guard let value = value(character) else { throw .malformed(.base64url, .unexpectedByte, offset: offset) }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
            }
        }
        // A single character of a group carries six bits, which is no byte.
        guard bitCount < 6 else { throw .malformed(.base64url, .truncated, offset: text.count) }
        guard bits & ((1 << bitCount) - 1) == 0 else {
            throw .malformed(.base64url, .nonCanonical, offset: text.count - 1)
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
