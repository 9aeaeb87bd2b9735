import Codec

/// What two people compare by voice to be sure that they mean the same mesh: 160 bits of a hash of its public key, as
/// eight groups of four characters. `i`, `l`, `o` and `0` do not occur.
public struct MeshFingerprint: Hashable, Sendable, CustomStringConvertible {
    private static let alphabet = Array("123456789abcdefghjkmnpqrstuvwxyz".utf8)
    private static let context = "swarmlet 2026-11-21 mesh fingerprint 1"
    private static let characterCount = 32

    /// `k7qd-2mxp-vt4e-9hra-cw6b-yn3s-f8ud-5gzj`
    public let text: String

    /// Of the public key of a mesh.
    public init(meshKey: PublicKey) {
        var hasher = BLAKE3(deriveKeyContext: MeshFingerprint.context)
        hasher.update(meshKey.bytes)
        var characters = [UInt8]()
        var bits: UInt64 = 0
        var bitCount: UInt64 = 0
        for byte in hasher.output(byteCount: MeshFingerprint.characterCount * 5 / 8) {
            bits = bits << 8 | UInt64(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                if characters.count % 5 == 4 { characters.append(UInt8(ascii: "-")) }
                characters.append(MeshFingerprint.alphabet[Int(bits >> bitCount & 31)])
            }
        }
        text = String(decoding: characters, as: UTF8.self)
    }

    /// As a person typed it: groups in either case, with or without hyphens or spaces between; nil where it is none.
    public init?(text: String) {
        var characters = [UInt8]()
        for byte in text.utf8 where byte != UInt8(ascii: "-") && byte != UInt8(ascii: " ") {
            let lower = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
            guard MeshFingerprint.alphabet.contains(lower), characters.count < 39 else { return nil }
            if characters.count % 5 == 4 { characters.append(UInt8(ascii: "-")) }
            characters.append(lower)
        }
        guard characters.count == 39 else { return nil }
        self.text = String(decoding: characters, as: UTF8.self)
    }

    public var description: String { text }
}
