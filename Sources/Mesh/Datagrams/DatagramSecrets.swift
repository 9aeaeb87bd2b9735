import CSodium
import Codec

/// What two nodes share before they have said a word: derived from their static keys, the mesh and its epoch.
///
/// Everything else is derived from `root` with a name of its own (BLAKE2b as a keyed hash), so that no key is used for two
/// things.
struct DatagramSecrets: Sendable {
    private let root: NoiseSecret

    /// Throws `NoiseError.keyLength` or `.weakKey` for a key that is none.
    init(own: NoiseKeyPair, remote: [UInt8], binding: [UInt8]) throws(NoiseError) {
        let shared = try own.shared(with: remote)
        let isFirst = own.publicKey.lexicographicallyPrecedes(remote)
        let salt = NoiseHash.hash(
            Array("swarmlet datagrams 1".utf8), [UInt8(truncatingIfNeeded: binding.count)], binding,
            isFirst ? own.publicKey : remote, isFirst ? remote : own.publicKey)
        root = NoiseHash.derive(chainingKey: NoiseSecret(copying: salt), input: shared).first
    }

    /// 16 bytes that only these two nodes can make: over a hello, or over a welcome and the hello it answers.
    func mac(_ packet: [UInt8], answering hello: DatagramPacket.Nonce? = nil) -> [UInt8] {
        let input = Array("mac".utf8) + (hello.map(Self.bytes) ?? []) + packet
        return [UInt8](unsafeUninitializedCapacity: DatagramConstants.macBytes) { output, count in
            count = DatagramConstants.macBytes
            root.withBytes { root in
                _ = crypto_generichash(
                    output.baseAddress!, count, input, UInt64(input.count), root, NoiseConstants.hashBytes)
            }
        }
    }

    /// Whether a hello or welcome ends with its mac.
    func isProven(_ packet: [UInt8], answering hello: DatagramPacket.Nonce? = nil) -> Bool {
        let content = Array(packet.dropLast(DatagramConstants.macBytes))
        let expected = mac(content, answering: hello)
        let found = Array(packet.suffix(DatagramConstants.macBytes))
        return found.count == expected.count && sodium_memcmp(found, expected, expected.count) == 0
    }

    /// The key of one purpose and direction after a handshake.
    func cipher(
        _ purpose: DatagramPurpose, fromInitiator: Bool, initiator: DatagramPacket.Nonce,
        responder: DatagramPacket.Nonce
    ) -> DatagramCipher {
        let input =
            Array("key".utf8) + [purpose.rawValue, fromInitiator ? 1 : 2] + Self.bytes(initiator)
            + Self.bytes(responder)
        let key = NoiseSecret(count: NoiseConstants.keyBytes) { output in
            root.withBytes { root in
                _ = crypto_generichash(
                    output, NoiseConstants.keyBytes, input, UInt64(input.count), root, NoiseConstants.hashBytes)
            }
        }
        return DatagramCipher(key: key)
    }

    private static func bytes(_ nonce: DatagramPacket.Nonce) -> [UInt8] {
        var bytes = nonce.salt
        bytes.appendLittleEndian(nonce.epoch)
        return bytes
    }
}
