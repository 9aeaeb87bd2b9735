import CSodium
import Codec

/// The secret half of an Ed25519 key: of a mesh, a node or an issuer.
///
/// The seed, and behind it the public half that was derived from it, are in memory that is locked, guarded, read-only and
/// kept out of core dumps. Nobody can bring a public half along: with another one Ed25519 gives its secret away.
public final class SigningKey: @unchecked Sendable {
    /// Bytes in a seed.
    public static let seedByteCount = 32
    /// Bytes in a signature.
    public static let signatureByteCount = 64

    /// As libsodium signs with it: the seed, then the public half.
    private let secret: UnsafeMutablePointer<UInt8>
    private static let secretByteCount = 64
    /// The half that everyone may know.
    public let publicKey: PublicKey
    /// The name of that half.
    public let id: KeyID

    /// A new key from the system's random source.
    public static func generate() -> SigningKey {
        SigningKey { randombytes_buf($0, seedByteCount) }
    }

    /// From a seed of exactly 32 bytes. The caller wipes its own copy.
    public convenience init(seed: [UInt8]) {
        precondition(seed.count == SigningKey.seedByteCount, "a seed has 32 bytes")
        self.init { $0.update(from: seed, count: SigningKey.seedByteCount) }
    }

    private init(fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        precondition(Sodium.isInitialised, "libsodium could not be started")
        guard let memory = sodium_malloc(SigningKey.secretByteCount) else {
            preconditionFailure("no memory for a key of \(SigningKey.secretByteCount) bytes")
        }
        let secret = memory.assumingMemoryBound(to: UInt8.self)
        self.secret = secret
        var publicKey = [UInt8](repeating: 0, count: PublicKey.byteCount)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SigningKey.seedByteCount) { seed in
            guard let seed = seed.baseAddress else { preconditionFailure("an allocation of 32 bytes is never empty") }
            defer { sodium_memzero(seed, SigningKey.seedByteCount) }
            fill(seed)
            crypto_sign_seed_keypair(&publicKey, secret, seed)
        }
        self.publicKey = PublicKey(trusted: publicKey)
        id = self.publicKey.id
        sodium_mprotect_readonly(memory)
    }

    deinit { sodium_free(secret) }

    /// The signature over exactly these bytes. Prefer the form with a purpose.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: SigningKey.signatureByteCount)
        crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret)
        return signature
    }

    /// The signature over some parts for one purpose, so that it fits no other purpose and no other division into parts.
    ///
    /// - Parameter purpose: a fixed text such as `swarmlet/noise/1`.
    public func sign(purpose: String, _ parts: [[UInt8]]) -> [UInt8] {
        sign(PreAuthentication.encode([Array(purpose.utf8)] + parts))
    }

    /// Lets `body` see the seed, which must not outlive it.
    public func withSeed<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
        body(UnsafeRawBufferPointer(start: secret, count: SigningKey.seedByteCount))
    }
}
