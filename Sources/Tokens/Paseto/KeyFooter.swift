import Codec

/// The one footer that our tokens have: `{"kid":"k4.pid...."}`, 61 bytes. It only says which key to look up.
enum KeyFooter {
    private static let start = Array(#"{"kid":""#.utf8)
    private static let end = Array(#""}"#.utf8)

    static func encode(_ id: KeyID) -> [UInt8] { start + Array(id.text.utf8) + end }

    /// Compares fixed bytes: no parser runs before the signature is checked.
    static func decode(_ footer: [UInt8]) throws(TokenError) -> KeyID {
        guard footer.count == 61, footer.starts(with: start), footer.suffix(2).elementsEqual(end) else {
            throw .malformed("its footer does not name a key")
        }
        return try KeyID(text: String(decoding: footer[start.count..<footer.count - end.count], as: UTF8.self))
    }
}
