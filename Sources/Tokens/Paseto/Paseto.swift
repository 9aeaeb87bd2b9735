import Codec

/// PASETO version 4, purpose public: a payload signed with Ed25519, an optional footer, and an implicit assertion, which
/// is signed but not sent and thereby binds a token to its purpose.
///
/// The version fixes the algorithm; nothing in a token is believed before its signature is checked, and the key to check
/// it with never comes from the token.
public enum Paseto {
    /// What a verified token says.
    public struct Message: Hashable, Sendable {
        public let payload: [UInt8]
        public let footer: [UInt8]
    }

    /// Longest token in characters.
    public static let characterLimit = 8192
    static let header = "v4.public."

    /// Signs a payload.
    ///
    /// - Parameters:
    ///   - footer: sent in the clear and signed; empty for none.
    ///   - implicit: signed, not sent.
    public static func sign(
        _ payload: [UInt8], footer: [UInt8] = [], implicit: [UInt8] = [], with key: SigningKey
    ) -> String {
        let signature = key.sign(PreAuthentication.encode([Array(header.utf8), payload, footer, implicit]))
        var token = header
        token.reserveCapacity(header.utf8.count + (payload.count + signature.count + footer.count) * 4 / 3 + 4)
        token += Base64URL.encode(payload + signature)
        if !footer.isEmpty {
            token += "."
            token += Base64URL.encode(footer)
        }
        return token
    }

    /// Verifies a token.
    ///
    /// - Throws: `malformed` for a text that is no v4.public token, `signatureInvalid` for everything else.
    public static func verify(
        _ token: String, implicit: [UInt8] = [], with key: PublicKey
    ) throws(TokenError) -> Message {
        try verify(try Unverified(token), implicit: implicit, with: key)
    }

    static func verify(
        _ token: Unverified, implicit: [UInt8] = [], with key: PublicKey
    ) throws(TokenError) -> Message {
        let signed = PreAuthentication.encode([Array(header.utf8), token.payload, token.footer, implicit])
        guard key.verify(token.signature, of: signed) else { throw .signatureInvalid }
        return Message(payload: token.payload, footer: token.footer)
    }

    /// The footer of a token whose signature has not been checked: good for looking a key up, for nothing else.
    public static func unverifiedFooter(_ token: String) throws(TokenError) -> [UInt8] {
        try Unverified(token).footer
    }

    /// The parts of a token of the right form whose signature has not been checked.
    struct Unverified {
        let payload: [UInt8]
        let signature: [UInt8]
        let footer: [UInt8]

        init(_ token: String) throws(TokenError) { (payload, signature, footer) = try Paseto.split(token) }
    }

    private static func split(
        _ token: String
    ) throws(TokenError) -> (payload: [UInt8], signature: [UInt8], footer: [UInt8]) {
        let text = Array(token.utf8)
        guard text.count <= characterLimit else { throw .malformed("it is longer than \(characterLimit) characters") }
        guard text.starts(with: header.utf8) else { throw .malformed("it does not start with v4.public.") }
        let rest = text[header.utf8.count...]
        let dot = rest.firstIndex(of: UInt8(ascii: "."))
        let body: [UInt8]
        var footer: [UInt8] = []
        do {
            body = try Base64URL.decode(rest[..<(dot ?? rest.endIndex)])
            if let dot { footer = try Base64URL.decode(rest[(dot + 1)...]) }
        } catch {
            throw .malformed("it is not base64url without padding")
        }
        guard dot == nil || !footer.isEmpty else { throw .malformed("its footer is empty") }
        guard body.count >= SigningKey.signatureByteCount else { throw .malformed("it is too short for a signature") }
        let payloadCount = body.count - SigningKey.signatureByteCount
        return (Array(body[..<payloadCount]), Array(body[payloadCount...]), footer)
    }
}
