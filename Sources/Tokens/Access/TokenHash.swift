import CSodium

/// BLAKE2b with 32 bytes of output, as every PASETO library has it: what the links and proofs of a token name each other by.
enum TokenHash {
    static let byteCount = 32

    static func of(_ bytes: [UInt8]) -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: byteCount)
        crypto_generichash(&hash, byteCount, bytes, UInt64(bytes.count), nil, 0)
        return hash
    }
}
