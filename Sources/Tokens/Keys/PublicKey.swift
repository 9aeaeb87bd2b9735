import CSodium
import Codec

/// The public half of an Ed25519 key.
///
/// Only points of the prime-order group are taken: another point could stand for the same secret under a second name.
public struct PublicKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Bytes in every public key.
    public static let byteCount = 32
    private static let prefix = "k4.public."

    /// The compressed point, 32 bytes.
    public let bytes: [UInt8]

    /// From 32 bytes of a stranger.
    ///
    /// - Throws: `TokenError.keyInvalid` for any other length and for points that are not of the prime-order group.
    public init(bytes: [UInt8]) throws(TokenError) {
        guard bytes.count == PublicKey.byteCount, Sodium.isInitialised,
            crypto_core_ed25519_is_valid_point(bytes) == 1
        else { throw .keyInvalid }
        self.bytes = bytes
    }

    /// From the PASERK text `k4.public.` with base64url.
    public init(text: String) throws(TokenError) {
        guard text.utf8.starts(with: PublicKey.prefix.utf8) else { throw .keyInvalid }
        let bytes: [UInt8]
        do { bytes = try Base64URL.decode(text.utf8.dropFirst(PublicKey.prefix.utf8.count)) } catch {
            throw .keyInvalid
        }
        try self.init(bytes: bytes)
    }

    /// From 32 bytes whose owner has proven itself with them: spares the check of the point, which costs as much as a
    /// signature.
    public init(admitted bytes: [UInt8]) {
        precondition(bytes.count == PublicKey.byteCount, "a public key has 32 bytes")
        self.bytes = bytes
    }

    /// From bytes that were derived here from a seed.
    init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// The PASERK text `k4.public.` with base64url.
    public var text: String { PublicKey.prefix + Base64URL.encode(bytes) }

    /// The name of this key.
    public var id: KeyID { KeyID(ofPublicKey: bytes) }

    /// The short name, as people see it.
    public var description: String { id.short }

    /// Whether the signature was made over exactly these bytes by the other half of this key.
    ///
    /// Strict as libsodium is: no second encoding of a signature, no points of small order.
    public func verify(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        signature.count == SigningKey.signatureByteCount
            && crypto_sign_verify_detached(signature, message, UInt64(message.count), bytes) == 0
    }

    /// Whether the signature was made over these parts for this purpose.
    public func verify(_ signature: [UInt8], purpose: String, _ parts: [[UInt8]]) -> Bool {
        verify(signature, of: PreAuthentication.encode([Array(purpose.utf8)] + parts))
    }

    public static func < (left: PublicKey, right: PublicKey) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

extension PublicKey: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        do { try self.init(bytes: try cbor.requireBytes()) } catch let error as CodecError { throw error } catch {
            throw .invalid("a public key that is not valid")
        }
    }
    public var cbor: CBOR { .bytes(bytes) }
}
