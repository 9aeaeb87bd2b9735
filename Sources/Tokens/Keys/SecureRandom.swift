import CSodium

/// The system's random source through libsodium: for keys, token ids and everything that others must not guess.
public struct SecureRandom: RandomNumberGenerator, Sendable {
    public init() { precondition(Sodium.isInitialised, "libsodium could not be started") }

    public mutating func next() -> UInt64 {
        var value: UInt64 = 0
        randombytes_buf(&value, 8)
        return value
    }

    /// That many random bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        precondition(Sodium.isInitialised, "libsodium could not be started")
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }
}
