import Codec

/// The end of a log in which each line says the hash of the line before it. Whoever alters, leaves out or puts in a line
/// would have to write all later ones anew, and shows at the next place where the hash of a line is known from elsewhere.
public struct LineChain: Hashable, Sendable {
    /// Lines so far; the number of the next one.
    public private(set) var count: UInt64
    /// SHA-256 of the last line without its line feed; zeros before the first.
    public private(set) var hash: Digest

    /// Without any line.
    public init() { self.init(count: 0, hash: .zero) }

    public init(count: UInt64, hash: Digest) {
        self.count = count
        self.hash = hash
    }

    /// The next line, an object of JSON without a line feed: its number, these members, and the hash of the line before.
    public mutating func append(_ members: [(key: String, value: JSON)]) -> [UInt8] {
        let number: (key: String, value: JSON) = ("seq", .integer(Int64(clamping: count)))
        let line = JSON.object([number] + members + [("prev", .string(hash.hex))]).encoded()
        count += 1
        hash = MerkleHash.sha256(line)
        return line
    }

    /// The end of a log whose last line is this one; nil where it is none.
    public init?(endingWith line: [UInt8]) {
        guard let link = Link(line) else { return nil }
        self.init(count: link.number + 1, hash: MerkleHash.sha256(line))
    }

    /// What a line says of its place.
    fileprivate struct Link {
        let number: UInt64
        let previous: Digest

        init?(_ line: [UInt8]) {
            let document: JSON
            do {
                document = try JSON.parse(line, limits: JSONLimits(byteCount: 16 << 10, depth: 2, memberCount: 16))
            } catch {
                return nil
            }
            guard let number = document["seq"]?.integerValue, number >= 0, number < .max,
                let previous = document["prev"]?.stringValue.flatMap({ Digest(hex: $0) })
            else { return nil }
            self.number = UInt64(number)
            self.previous = previous
        }
    }
}

extension LineChain: CustomStringConvertible {
    /// As it stands in the log of what happened: `12 lines, sha256 9f3c...`.
    public var description: String { "\(count)\(LineChain.words)\(hash.hex)" }

    /// From such a text, exactly as it is written; nil for any other.
    public init?(_ description: String) {
        let text = Array(description.utf8), words = Array(LineChain.words.utf8)
        let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard text.dropFirst(digits.count).starts(with: words),
            let count = UInt64(String(decoding: digits, as: UTF8.self)),
            let hash = Digest(hex: String(decoding: text.dropFirst(digits.count + words.count), as: UTF8.self))
        else { return nil }
        self.init(count: count, hash: hash)
        guard self.description == description else { return nil }
    }

    private static let words = " lines, sha256 "
}

extension LineChain: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        self.init(count: try map.require(1), hash: try map.require(2))
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, count)
        map.set(2, hash)
        return .map(map)
    }
}

/// Goes through what is kept of such a log, line by line, and says where it is not what it was.
public struct LineChainCheck: Sendable {
    /// What is wrong, and with which line; counted from 0.
    public enum Flaw: Hashable, Sendable {
        /// What stands there is no line of such a log, or has another number.
        case misplaced(UInt64)
        /// The next line, or what was said elsewhere, knows it by another hash.
        case altered(UInt64)
        /// It was there, and is not any more.
        case missing(UInt64)
    }

    /// What came out.
    public enum Verdict: Hashable, Sendable {
        /// How many lines are kept.
        case whole(UInt64)
        case flaw(Flaw)
    }

    /// The first flaw; nil as long as there is none.
    public private(set) var flaw: Flaw?
    /// The number of the first line that is kept; nil before there is one.
    private var first: UInt64?
    private var end = LineChain()
    /// What was said elsewhere, ascending by count.
    private var anchors: ArraySlice<LineChain>

    private let mayBeginLater: Bool

    /// - Parameter mayBeginLater: whether the first lines may have been let go.
    public init(anchors: [LineChain], mayBeginLater: Bool) {
        self.anchors = anchors.sorted { $0.count < $1.count }[...]
        self.mayBeginLater = mayBeginLater
    }

    /// The next line, without its line feed.
    public mutating func take(_ line: [UInt8]) {
        guard flaw == nil else { return }
        guard let link = LineChain.Link(line) else { return flaw = .misplaced(end.count) }
        if first == nil {
            // Lines before it are no longer kept; what it says of the last of them is all that is left to hold against.
            first = link.number
            guard link.number == 0 || mayBeginLater else { return flaw = .missing(0) }
            end = LineChain(count: link.number, hash: link.previous)
            guard link.number > 0 || link.previous == .zero else { return flaw = .altered(0) }
            anchors = anchors.drop { $0.count < link.number }
            meetAnchors()
        }
        guard flaw == nil else { return }
        guard link.number == end.count else { return flaw = .misplaced(end.count) }
        guard link.previous == end.hash else { return flaw = .altered(end.count - 1) }
        end = LineChain(count: link.number + 1, hash: MerkleHash.sha256(line))
        meetAnchors()
    }

    /// There are no more lines.
    public mutating func finish() {
        guard flaw == nil, let anchor = anchors.first, anchor.count > 0 else { return }
        flaw = .missing(end.count)
    }

    public var verdict: Verdict { flaw.map { .flaw($0) } ?? .whole(first.map { end.count - $0 } ?? 0) }

    private mutating func meetAnchors() {
        while let anchor = anchors.first, anchor.count <= end.count {
            anchors.removeFirst()
            guard anchor.hash == end.hash else { return flaw = .altered(end.count == 0 ? 0 : end.count - 1) }
        }
    }
}
