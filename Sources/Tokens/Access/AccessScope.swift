/// What a token is about: jobs, paths, nodes and labels, each kind bounded by a list of patterns or not at all.
///
/// A pattern is an exact name, or one ending in `/**` for everything below it. Names are compared component by component
/// and byte by byte; nothing is decoded, folded or cleaned up, so what is not written canonically matches nothing.
public struct AccessScope: Hashable, Sendable {
    /// A kind of thing.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case job, path, node, label
    }

    /// Nil where nothing is said; an empty list allows nothing.
    public var job: [String]?
    public var path: [String]?
    public var node: [String]?
    /// `name=value`
    public var label: [String]?

    public init(job: [String]? = nil, path: [String]? = nil, node: [String]? = nil, label: [String]? = nil) {
        self.job = job
        self.path = path
        self.node = node
        self.label = label
    }

    public subscript(kind: Kind) -> [String]? {
        get {
            switch kind {
            case .job: job
            case .path: path
            case .node: node
            case .label: label
            }
        }
        set {
            switch kind {
            case .job: job = newValue
            case .path: path = newValue
            case .node: node = newValue
            case .label: label = newValue
            }
        }
    }

    var isEmpty: Bool { Kind.allCases.allSatisfy { self[$0] == nil } }

    /// Whether one of the patterns allows the name; true where nothing is said.
    func allows(_ kind: Kind, _ name: String) -> Bool {
        guard let patterns = self[kind] else { return true }
        return patterns.contains { AccessScope.matches($0, name) }
    }

    /// Whether everything that these patterns allow is allowed by `other`, too.
    func isWithin(_ other: AccessScope, _ kind: Kind) -> Bool {
        guard let patterns = self[kind], let bounds = other[kind] else { return true }
        return patterns.allSatisfy { pattern in bounds.contains { AccessScope.covers($0, pattern) } }
    }

    /// Whether a text is a pattern or, where `isName`, a name: components that are not empty, not `.` or `..`, without
    /// control characters; `**` only as the last one of several.
    static func isCanonical(_ text: String, isName: Bool = false) -> Bool {
        guard (1...AccessConstants.textBytesMax).contains(text.utf8.count), PlainText.isPlain(text) else {
            return false
        }
        let components = parts(text)
        for (index, component) in components.enumerated() {
            if component.isEmpty || component.elementsEqual([dot]) || component.elementsEqual([dot, dot]) {
                return false
            }
            guard component.contains(star) else { continue }
            if isName || index == 0 || index < components.count - 1 || !component.elementsEqual([star, star]) {
                return false
            }
        }
        return true
    }

    private static let dot = UInt8(ascii: ".")
    private static let star = UInt8(ascii: "*")

    private static func parts(_ text: String) -> [ArraySlice<UInt8>] {
        Array(text.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    }

    private static func matches(_ pattern: String, _ name: String) -> Bool {
        // A name that holds a star would otherwise be taken for a pattern by whoever compares it later.
        guard isCanonical(name, isName: true) else { return false }
        return covers(pattern, name)
    }

    private static func covers(_ pattern: String, _ other: String) -> Bool {
        let (wanted, found) = (parts(pattern), parts(other))
        guard let last = wanted.last, last.elementsEqual([star, star]) else {
            return wanted.count == found.count && zip(wanted, found).allSatisfy { $0.elementsEqual($1) }
        }
        let stem = wanted.dropLast()
        return found.count > stem.count && zip(stem, found).allSatisfy { $0.elementsEqual($1) }
    }
}
