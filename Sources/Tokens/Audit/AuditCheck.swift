import Codec

/// Goes through a copy of an audit log, entry by entry, and says where it is not what was signed.
///
/// Each row of a copy has the number and the bytes of an entry, and the hash of its leaf as it was when it came. What does
/// not fit together is named at once; what fits together and is still not the log is noticed at the next size whose root is
/// known from elsewhere, and lies between that and the one before it.
public struct AuditCheck: Sendable {
    /// What is wrong, and with which entry.
    public enum Flaw: Hashable, Sendable {
        case missing(UInt64)
        case altered(UInt64)
        /// Another entry stands in its place.
        case misplaced(UInt64)
        /// There are more entries than the log has.
        case surplus(UInt64)
        /// One of these, each of which looks right by itself.
        case alteredAmong(ClosedRange<UInt64>)

        /// The first entry that is bad, or may be.
        public var first: UInt64 {
            switch self {
            case .missing(let entry), .altered(let entry), .misplaced(let entry), .surplus(let entry): entry
            case .alteredAmong(let entries): entries.lowerBound
            }
        }
    }

    /// The first flaw; nil as long as there is none.
    public private(set) var flaw: Flaw?
    public private(set) var frontier = MerkleFrontier()
    /// Sizes and the roots that others have signed, or that the mesh has agreed on, ascending by size.
    private var anchors: ArraySlice<Anchor>
    /// Up to here the copy is what an anchor says.
    private var good: UInt64 = 0

    /// A size of the log whose root is known from elsewhere than the copy.
    public struct Anchor: Hashable, Sendable {
        public var size: UInt64
        public var root: Digest

        public init(size: UInt64, root: Digest) {
            self.size = size
            self.root = root
        }
    }

    public init(anchors: [Anchor]) { self.anchors = anchors.sorted { $0.size < $1.size }[...] }

    /// The next row.
    ///
    /// - Parameters:
    ///   - saysSequence: the number that the line itself says; nil where it is no line.
    ///   - leaf: the hash that was kept beside it.
    public mutating func take(sequence: UInt64, line: [UInt8], saysSequence: UInt64?, leaf: [UInt8]) {
        guard flaw == nil else { return }
        guard sequence == frontier.size else { return flaw = .missing(frontier.size) }
        let hash = MerkleHash.leaf(line)
        guard hash.bytes == leaf else {
            return flaw = saysSequence == sequence ? .altered(sequence) : .misplaced(sequence)
        }
        guard saysSequence == sequence else { return flaw = .misplaced(sequence) }
        frontier.append(leaf: hash)
        meetAnchors()
    }

    /// The copy has no more rows; `size` is how long the log is.
    public mutating func finish(size: UInt64) {
        guard flaw == nil else { return }
        if frontier.size < size { return flaw = .missing(frontier.size) }
        if frontier.size > size { flaw = .surplus(size) }
    }

    private mutating func meetAnchors() {
        while let anchor = anchors.first, anchor.size <= frontier.size {
            anchors.removeFirst()
            guard anchor.size == frontier.size else { continue }
            guard anchor.root == frontier.root else { return flaw = .alteredAmong(good...(anchor.size - 1)) }
            good = anchor.size
        }
    }
}
