import Codec

/// Proofs about a log's tree (RFC 9162 sections 2.1.3 and 2.1.4): that an entry is in it, and that a later tree begins
/// with all of an earlier one.
public enum MerkleProof {
    /// More hashes than a proof about 2^64 entries has.
    public static let hashesMax = 65

    /// Where the hashes of complete subtrees are kept; nil for one that is not there.
    public typealias Subtrees = (MerkleHash.Position) -> Digest?

    /// The root of the first entries; nil where a hash is missing.
    public static func root(size: UInt64, _ subtrees: Subtrees) -> Digest? {
        size == 0 ? MerkleHash.empty : hash(from: 0, count: size, subtrees)
    }

    /// That the entry with this number is among the first `size`, from the leaf upwards; nil where a hash is missing.
    public static func inclusion(of index: UInt64, size: UInt64, _ subtrees: Subtrees) -> [Digest]? {
        guard index < size else { return nil }
        var path: [Digest] = []
        var (start, count) = (UInt64(0), size)
        while count > 1 {
            let left = leftCount(count)
            let isLeft = index - start < left
            let other =
                isLeft
                ? hash(from: start + left, count: count - left, subtrees) : hash(from: start, count: left, subtrees)
            guard let other else { return nil }
            path.append(other)
            if isLeft { count = left } else { (start, count) = (start + left, count - left) }
        }
        return path.reversed()
    }

    /// That the tree of `newSize` entries begins with that of `oldSize`; nil where a hash is missing.
    public static func consistency(from oldSize: UInt64, to newSize: UInt64, _ subtrees: Subtrees) -> [Digest]? {
        guard oldSize <= newSize else { return nil }
        if oldSize == 0 || oldSize == newSize { return [] }
        var path: [Digest] = []
        var (start, count, old) = (UInt64(0), newSize, oldSize)
        while old != count {
            let left = leftCount(count)
            let isLeft = old <= left
            let other =
                isLeft
                ? hash(from: start + left, count: count - left, subtrees) : hash(from: start, count: left, subtrees)
            guard let other else { return nil }
            path.append(other)
            if isLeft { count = left } else { (start, count, old) = (start + left, count - left, old - left) }
        }
        // Whoever checks it has the old root; it is said only where it is not a subtree of the new tree at its left.
        if start > 0 {
            guard let seed = hash(from: start, count: count, subtrees) else { return nil }
            path.append(seed)
        }
        return path.reversed()
    }

    /// Whether the proof shows that a leaf is the entry with this number of the tree with this size and root.
    public static func verifies(_ path: [Digest], leaf: Digest, index: UInt64, size: UInt64, root: Digest) -> Bool {
        guard index < size, path.count < hashesMax else { return false }
        var (node, last, hash) = (index, size - 1, leaf)
        for sibling in path {
            guard last > 0 else { return false }
            if !node.isMultiple(of: 2) || node == last {
                hash = MerkleHash.node(sibling, hash)
                // The last node of a level stands for those above it, too, until it is a right half.
                let zeros = node.trailingZeroBitCount
                node >>= zeros
                last >>= zeros
            } else {
                hash = MerkleHash.node(hash, sibling)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// Whether the proof shows that the newer tree begins with all entries of the older one.
    public static func verifies(
        _ path: [Digest], from old: (size: UInt64, root: Digest), to new: (size: UInt64, root: Digest)
    ) -> Bool {
        guard old.size <= new.size, path.count < hashesMax else { return false }
        if old.size == new.size { return path.isEmpty && old.root == new.root }
        if old.size == 0 { return path.isEmpty && old.root == MerkleHash.empty }
        // A complete tree is its own first hash.
        let hashes = old.size.nonzeroBitCount == 1 ? [old.root] + path : path
        guard let first = hashes.first else { return false }
        let shift = (~(old.size - 1)).trailingZeroBitCount
        var (node, last) = ((old.size - 1) >> shift, (new.size - 1) >> shift)
        var (oldHash, newHash) = (first, first)
        for hash in hashes.dropFirst() {
            guard last > 0 else { return false }
            if !node.isMultiple(of: 2) || node == last {
                oldHash = MerkleHash.node(hash, oldHash)
                newHash = MerkleHash.node(hash, newHash)
                let zeros = node.trailingZeroBitCount
                node >>= zeros
                last >>= zeros
            } else {
                newHash = MerkleHash.node(newHash, hash)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && oldHash == old.root && newHash == new.root
    }

    /// The hash of `count` entries from `start`, which is a multiple of the power of two at or above `count`.
    private static func hash(from start: UInt64, count: UInt64, _ subtrees: Subtrees) -> Digest? {
        if count.nonzeroBitCount == 1 {
            let level = count.trailingZeroBitCount
            return subtrees(MerkleHash.Position(level: level, index: start >> UInt64(level)))
        }
        let left = leftCount(count)
        guard let first = hash(from: start, count: left, subtrees),
            let second = hash(from: start + left, count: count - left, subtrees)
        else { return nil }
        return MerkleHash.node(first, second)
    }

    /// Entries in the left half of a tree: the greatest power of two below its size, which is at least two.
    private static func leftCount(_ count: UInt64) -> UInt64 { 1 << UInt64(63 - (count - 1).leadingZeroBitCount) }
}
