/// Base64 with padding (RFC 4648 section 4), for formats of others; as strict as `Base64URL`, which is what we use.
public enum Base64 {
    private static let padding = UInt8(ascii: "=")

    /// The text of some bytes.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text = Base64URL.encode(bytes).utf8.map(standard)
        while !text.count.isMultiple(of: 4) { text.append(padding) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text.
    ///
    /// - Throws: `CodecError.malformed(.base64url, ...)`.
    public static func decode(_ text: some Collection<UInt8>) throws(CodecError) -> [UInt8] {
        guard text.count.isMultiple(of: 4) else { throw .malformed(.base64url, .truncated, offset: text.count) }
        var characters = Array(text)
        for _ in 0..<2 where characters.last == padding { characters.removeLast() }
        for (offset, character) in characters.enumerated() {
            switch character {
            case UInt8(ascii: "+"): characters[offset] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): characters[offset] = UInt8(ascii: "_")
            case UInt8(ascii: "-"), UInt8(ascii: "_"):
                throw .malformed(.base64url, .unexpectedByte, offset: offset)
            default: break
            }
        }
        return try Base64URL.decode(characters)
    }

    private static func standard(_ character: UInt8) -> UInt8 {
        switch character {
        case UInt8(ascii: "-"): UInt8(ascii: "+")
        case UInt8(ascii: "_"): UInt8(ascii: "/")
        default: character
        }
    }
}
