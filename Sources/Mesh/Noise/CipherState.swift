/// One direction's key and counter: the cipher of a suite with the Noise nonce (Noise sections 5.1, 12.3 and 12.4).
///
/// Every message takes the next nonce, so both ends must see the same messages in the same order. A call that throws
/// leaves the state as it was.
public struct CipherState: Sendable {
    private var cipher: SuiteCipher
    /// The number of the next message.
    public private(set) var nonce: UInt64

    /// A cipher with a key of 32 bytes.
    init(_ suite: NoiseSuite = .chaChaPoly, key: NoiseSecret, nonce: UInt64 = 0) {
        cipher = SuiteCipher(suite, key: key)
        self.nonce = nonce
    }

    /// Which cipher this is.
    public var suite: NoiseSuite { cipher.suite }

    /// The ciphertext of `plaintext` with its tag. Throws `nonceExhausted`.
    public mutating func encrypt(
        _ plaintext: [UInt8], with associatedData: [UInt8] = []
    ) throws(NoiseError) -> [UInt8] {
        var record = [UInt8]()
        record.reserveCapacity(plaintext.count + NoiseConstants.tagBytes)
        record.append(contentsOf: plaintext)
        try encrypt(&record, from: 0, with: associatedData)
        return record
    }

    /// The plaintext of `ciphertext`. Throws `messageTooShort`, `authenticationFailed` or `nonceExhausted`.
    public mutating func decrypt(
        _ ciphertext: [UInt8], with associatedData: [UInt8] = []
    ) throws(NoiseError) -> [UInt8] {
        var record = ciphertext
        let plaintext = try decrypt(&record, in: 0..<record.count, with: associatedData)
        record.removeLast(record.count - plaintext.count)
        return record
    }

    /// Encrypts everything from `offset` to the end of `record` in place and appends the tag: no copy is made when the
    /// array has room for 16 bytes more. What lies before `offset` (a frame's length) stays clear.
    public mutating func encrypt(
        _ record: inout [UInt8], from offset: Int, with associatedData: [UInt8] = []
    ) throws(NoiseError) {
        guard nonce != NoiseConstants.nonceReserved else { throw .nonceExhausted }
        record.append(contentsOf: repeatElement(0, count: NoiseConstants.tagBytes))
        do {
            try record.withUnsafeMutableBufferPointer { buffer throws(NoiseError) in
                try encrypt(
                    UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[offset...])),
                    with: associatedData)
            }
        } catch {
            record.removeLast(NoiseConstants.tagBytes)
            throw error
        }
    }

    /// Decrypts the ciphertext and tag at `range` of `record` in place; returns where the plaintext lies.
    public mutating func decrypt(
        _ record: inout [UInt8], in range: Range<Int>, with associatedData: [UInt8] = []
    ) throws(NoiseError) -> Range<Int> {
        let count = try record.withUnsafeMutableBufferPointer { buffer throws(NoiseError) in
            try decrypt(
                UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[range])),
                with: associatedData)
        }
        return range.lowerBound..<(range.lowerBound + count)
    }

    /// Encrypts in place: the plaintext fills `record` but for its last 16 bytes, which receive the tag.
    public mutating func encrypt(
        _ record: UnsafeMutableRawBufferPointer, with associatedData: [UInt8] = []
    ) throws(NoiseError) {
        guard record.count >= NoiseConstants.tagBytes else { throw .messageTooShort }
        guard nonce != NoiseConstants.nonceReserved else { throw .nonceExhausted }
        cipher.encrypt(record, nonce: nonce, associatedData: associatedData)
        nonce += 1
    }

    /// Decrypts in place; returns how many bytes of plaintext lie at the start of `record`.
    ///
    /// What `record` holds after an error is not defined.
    public mutating func decrypt(
        _ record: UnsafeMutableRawBufferPointer, with associatedData: [UInt8] = []
    ) throws(NoiseError) -> Int {
        guard record.count >= NoiseConstants.tagBytes else { throw .messageTooShort }
        guard nonce != NoiseConstants.nonceReserved else { throw .nonceExhausted }
        let count = record.count - NoiseConstants.tagBytes
        let fits = cipher.decrypt(record, nonce: nonce, associatedData: associatedData)
        guard fits else { throw .authenticationFailed }
        nonce += 1
        return count
    }

    /// Replaces the key by one derived from it, so that messages of the past stay secret when the new key is stolen
    /// (Noise section 11.3). The counter goes on. Both ends must do it between the same two messages.
    public mutating func rekey() {
        let block = NoiseSecret(count: NoiseConstants.keyBytes + NoiseConstants.tagBytes) { start in
            let record = UnsafeMutableRawBufferPointer(
                start: start, count: NoiseConstants.keyBytes + NoiseConstants.tagBytes)
            cipher.encrypt(record, nonce: NoiseConstants.nonceReserved, associatedData: [])
        }
        let key = NoiseSecret(count: NoiseConstants.keyBytes) { output in
            block.withBytes { output.update(from: $0, count: NoiseConstants.keyBytes) }
        }
        cipher = SuiteCipher(cipher.suite, key: key)
    }
}
