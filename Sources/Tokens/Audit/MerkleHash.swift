import CSodium
import Codec

/// How the tree of the audit log is hashed: SHA-256, with leaves and nodes told apart (RFC 9162 section 2.1.1).
public enum MerkleHash {
    /// Of a tree without entries.
    public static let empty = hash(prefix: [], [])

    /// Of an entry.
    public static func leaf(_ entry: [UInt8]) -> Digest { hash(prefix: [0], entry) }

    /// Of a node, from those below it.
    public static func node(_ left: Digest, _ right: Digest) -> Digest { hash(prefix: [1], left.bytes + right.bytes) }

    /// Where the hash of a complete subtree is needed: of the entries from `index << level`, `1 << level` of them.
    public struct Position: Hashable, Sendable {
        public let level: Int
        public let index: UInt64

        public init(level: Int, index: UInt64) {
            self.level = level
            self.index = index
        }
    }

    private static func hash(prefix: [UInt8], _ bytes: [UInt8]) -> Digest { sha256(prefix + bytes) }

    static func sha256(_ input: [UInt8]) -> Digest {
        var output = [UInt8](repeating: 0, count: Digest.byteCount)
        crypto_hash_sha256(&output, input, UInt64(input.count))
        guard let digest = Digest(bytes: output) else { preconditionFailure("SHA-256 has 32 bytes") }
        return digest
    }
}
