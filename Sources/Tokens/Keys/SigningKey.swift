import CSodium
import Codec

/// The secret half of an Ed25519 key: of a mesh, a node or an issuer.
///
/// Only the 32-byte seed is kept, in memory that is locked, guarded and kept out of core dumps; the expanded key exists
/// while a signature is made and is wiped after it. The public half is always derived from the seed: with another public
/// half Ed25519 gives its secret away.
public final class SigningKey: @unchecked Sendable {
    /// Bytes in a seed.
    public static let seedByteCount = 32
    /// Bytes in a signature.
    public static let signatureByteCount = 64

    private let seed: UnsafeMutableRawPointer
    /// The half that everyone may know.
    public let publicKey: PublicKey

    /// A new key from the system's random source.
    public static func generate() -> SigningKey {
        SigningKey { randombytes_buf($0, seedByteCount) }
    }

    /// From a seed of exactly 32 bytes. The caller wipes its own copy.
    public convenience init(seed: [UInt8]) {
        precondition(seed.count == SigningKey.seedByteCount, "a seed has 32 bytes")
        self.init { $0.copyMemory(from: seed, byteCount: SigningKey.seedByteCount) }
    }

    private init(fill: (UnsafeMutableRawPointer) -> Void) {
        precondition(Sodium.isInitialised, "libsodium could not be started")
        guard let seed = sodium_malloc(SigningKey.seedByteCount) else {
            preconditionFailure("no memory for a key of 32 bytes")
        }
        fill(seed)
        self.seed = seed
        publicKey = SigningKey.withExpanded(seed) { publicKey, _ in PublicKey(trusted: publicKey) }
        sodium_mprotect_readonly(seed)
    }

    deinit { sodium_free(seed) }

    /// The signature over exactly these bytes. Prefer the form with a purpose.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        SigningKey.withExpanded(seed) { _, secret in
            var signature = [UInt8](repeating: 0, count: SigningKey.signatureByteCount)
            crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret)
            return signature
        }
    }

    /// The signature over some parts for one purpose, so that it fits no other purpose and no other division into parts.
    ///
    /// - Parameter purpose: a fixed text such as `swarmlet/noise/1`.
    public func sign(purpose: String, _ parts: [[UInt8]]) -> [UInt8] {
        sign(PreAuthentication.encode([Array(purpose.utf8)] + parts))
    }

    /// Lets `body` see the seed, which must not outlive it.
    public func withSeed<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
        body(UnsafeRawBufferPointer(start: seed, count: SigningKey.seedByteCount))
    }

    private static func withExpanded<T>(_ seed: UnsafeRawPointer, _ body: ([UInt8], UnsafePointer<UInt8>) -> T) -> T {
        var publicKey = [UInt8](repeating: 0, count: PublicKey.byteCount)
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { secret in
            guard let secret = secret.baseAddress else {
                preconditionFailure("an allocation of 64 bytes is never empty")
            }
            defer { sodium_memzero(secret, 64) }
            crypto_sign_seed_keypair(&publicKey, secret, seed.assumingMemoryBound(to: UInt8.self))
            return body(publicKey, secret)
        }
    }
}
