import Codec

/// The right edge of an audit log's tree: enough to append entries and to know the root, in one hash for each bit of the
/// size.
public struct MerkleFrontier: Hashable, Sendable {
    /// Entries so far.
    public private(set) var size: UInt64 = 0
    /// Roots of the complete subtrees that the entries fall into, the largest and oldest first.
    private var peaks: [Digest] = []

    public init() {}

    /// Of the first entries; nil where the hash of a subtree is missing.
    public init?(size: UInt64, _ subtrees: MerkleProof.Subtrees) {
        var start: UInt64 = 0
        for level in (0..<64).reversed() where size >> UInt64(level) & 1 == 1 {
            guard let hash = subtrees(MerkleHash.Position(level: level, index: start >> UInt64(level))) else {
                return nil
            }
            peaks.append(hash)
            start += 1 << UInt64(level)
        }
        self.size = size
    }

    /// The root of all entries (RFC 9162 section 2.1.1).
    public var root: Digest {
        guard var root = peaks.last else { return MerkleHash.empty }
        for peak in peaks.dropLast().reversed() { root = MerkleHash.node(peak, root) }
        return root
    }

    /// Appends an entry, given by the hash of its leaf.
    ///
    /// - Returns: the complete subtrees that it ends, the leaf first: what proofs are made of.
    @discardableResult
    public mutating func append(leaf: Digest) -> [(position: MerkleHash.Position, hash: Digest)] {
        var ended = [(position: MerkleHash.Position(level: 0, index: size), hash: leaf)]
        // Each one at the end of the size's bits is a subtree that now has its right half.
        for level in 0..<(~size).trailingZeroBitCount {
            let hash = MerkleHash.node(peaks.removeLast(), ended[level].hash)
            ended.append((MerkleHash.Position(level: level + 1, index: size >> UInt64(level + 1)), hash))
        }
        peaks.append(ended[ended.count - 1].hash)
        size += 1
        return ended
    }
}

extension MerkleFrontier: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        size = try map.require(1)
        peaks = try map.require(2)
        guard peaks.count == size.nonzeroBitCount else { throw .invalid("a tree whose edge does not fit its size") }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, size)
        map.set(2, peaks)
        return .map(map)
    }
}
