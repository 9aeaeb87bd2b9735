import CSodium
import Codec

/// The name of a public key: PASERK `k4.pid`, a hash of 33 bytes written as 44 characters.
public struct KeyID: Hashable, Sendable, Comparable, CustomStringConvertible {
    private static let prefix = "k4.pid."
    private static let hashByteCount = 33
    private static let hashed = Array("\(prefix)k4.public.".utf8)

    /// `k4.pid.` and 44 characters.
    public let text: String

    /// From the text.
    ///
    /// - Throws: `TokenError.malformed`.
    public init(text: String) throws(TokenError) {
        guard text.utf8.starts(with: KeyID.prefix.utf8) else { throw .malformed("a key id starts with k4.pid.") }
        do {
            let hash = try Base64URL.decode(text.utf8.dropFirst(KeyID.prefix.utf8.count))
            guard hash.count == KeyID.hashByteCount else { throw TokenError.malformed("a key id has 51 characters") }
        } catch {
            throw .malformed("a key id is k4.pid. and 44 characters")
        }
        self.text = text
    }

    /// Of any 32 bytes (PASERK, operation PID; BLAKE2b with 33 bytes of output).
    init(ofPublicKey bytes: [UInt8]) {
        precondition(bytes.count == PublicKey.byteCount)
        let message = KeyID.hashed + Base64URL.encode(bytes).utf8
        var hash = [UInt8](repeating: 0, count: KeyID.hashByteCount)
        crypto_generichash(&hash, KeyID.hashByteCount, message, UInt64(message.count), nil, 0)
        text = KeyID.prefix + Base64URL.encode(hash)
    }

    /// The first 8 of the 44 characters: what people see and type. Not safe against someone who searches for a twin.
    public var short: String { String(text.dropFirst(KeyID.prefix.count).prefix(8)) }

    public var description: String { text }

    public static func < (left: KeyID, right: KeyID) -> Bool { left.text < right.text }
}

extension KeyID: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let text = try cbor.requireText()
        do { try self.init(text: text) } catch { throw .invalid("a key id that is not valid") }
    }
    public var cbor: CBOR { .text(text) }
}
