import CSodium

/// BLAKE2b, and HMAC (RFC 2104) and HKDF over it, as Noise section 4.3 asks for them.
enum NoiseHash {
    /// BLAKE2b of the parts one after the other, 64 bytes.
    static func hash(_ parts: [UInt8]...) -> [UInt8] {
        let input = parts.count == 1 ? parts[0] : parts.flatMap { $0 }
        return [UInt8](unsafeUninitializedCapacity: NoiseConstants.hashBytes) { buffer, count in
            _ = crypto_generichash(buffer.baseAddress!, NoiseConstants.hashBytes, input, UInt64(input.count), nil, 0)
            count = NoiseConstants.hashBytes
        }
    }

    /// The first two outputs of HKDF with the chaining key as its salt, each 64 bytes.
    static func derive(chainingKey: NoiseSecret, input: NoiseSecret?) -> (first: NoiseSecret, second: NoiseSecret) {
        let temporary = hmac(key: chainingKey, parts: [], message: input)
        let first = hmac(key: temporary, parts: [1], message: nil)
        let second = hmac(key: temporary, parts: [2], message: first)
        return (first, second)
    }

    /// HMAC over `message`, then `parts`.
    private static func hmac(key: NoiseSecret, parts: [UInt8], message: NoiseSecret?) -> NoiseSecret {
        let inner = padded(key, with: 0x36, message: message, parts: parts)
        let outer = padded(key, with: 0x5C, message: inner, parts: [])
        return outer
    }

    /// BLAKE2b of the key, filled up to a block and mixed with `pad`, followed by the message and the parts.
    private static func padded(_ key: NoiseSecret, with pad: UInt8, message: NoiseSecret?, parts: [UInt8])
        -> NoiseSecret
    {
        let messageBytes = message?.count ?? 0
        let total = NoiseConstants.blockBytes + messageBytes + parts.count
        let input = NoiseSecret(count: total) { start in
            for offset in 0..<NoiseConstants.blockBytes { start[offset] = pad }
            key.withBytes { keyBytes in
                for offset in 0..<key.count { start[offset] ^= keyBytes[offset] }
            }
            message?.withBytes { (start + NoiseConstants.blockBytes).update(from: $0, count: messageBytes) }
            for (offset, byte) in parts.enumerated() { start[NoiseConstants.blockBytes + messageBytes + offset] = byte }
        }
        return NoiseSecret(count: NoiseConstants.hashBytes) { output in
            input.withBytes { bytes in
                _ = crypto_generichash(output, NoiseConstants.hashBytes, bytes, UInt64(total), nil, 0)
            }
        }
    }
}
