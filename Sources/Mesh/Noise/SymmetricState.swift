/// The running hash and keys of a handshake (Noise section 5.2).
struct SymmetricState: Sendable {
    private var chainingKey: NoiseSecret
    private(set) var hash: [UInt8]
    private var cipher: CipherState?
    private let suite: NoiseSuite

    init(_ pattern: NoisePattern, _ suite: NoiseSuite, prologue: [UInt8]) {
        self.suite = suite
        let protocolName = pattern.protocolName(suite)
        let name = Array(protocolName.utf8)
        precondition(name.count <= NoiseConstants.hashBytes)
        hash = name + [UInt8](repeating: 0, count: NoiseConstants.hashBytes - name.count)
        chainingKey = NoiseSecret(copying: hash)
        mixHash(prologue)
    }

    /// Whether payloads are encrypted yet.
    var hasKey: Bool { cipher != nil }

    mutating func mixHash(_ bytes: [UInt8]) { hash = NoiseHash.hash(hash, bytes) }

    mutating func mixKey(_ input: NoiseSecret) {
        let derived = NoiseHash.derive(chainingKey: chainingKey, input: input)
        chainingKey = derived.first
        cipher = CipherState(suite, key: Self.cipherKey(derived.second))
    }

    mutating func encryptAndHash(_ plaintext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let ciphertext = try cipher?.encrypt(plaintext, with: hash) ?? plaintext
        mixHash(ciphertext)
        return ciphertext
    }

    mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let plaintext = try cipher?.decrypt(ciphertext, with: hash) ?? ciphertext
        mixHash(ciphertext)
        return plaintext
    }

    /// The transport ciphers: the initiator's sending direction first.
    func split() -> (CipherState, CipherState) {
        let derived = NoiseHash.derive(chainingKey: chainingKey, input: nil)
        return (
            CipherState(suite, key: Self.cipherKey(derived.first)),
            CipherState(suite, key: Self.cipherKey(derived.second))
        )
    }

    /// The first 32 of 64 derived bytes (Noise section 5.2: "truncates temp_k to 32 bytes").
    private static func cipherKey(_ derived: NoiseSecret) -> NoiseSecret {
        NoiseSecret(count: NoiseConstants.keyBytes) { output in
            derived.withBytes { output.update(from: $0, count: NoiseConstants.keyBytes) }
        }
    }
}
