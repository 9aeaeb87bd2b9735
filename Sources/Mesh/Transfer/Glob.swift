/// A pattern of paths in the language of `.gitignore`: `*`, `?` and `[...]` within a name, `**` across names.
///
/// Matching follows a set of positions in the pattern through the names of a path, so its cost is bounded by the length
/// of the pattern times that of the path, whatever the pattern.
struct Glob: Hashable, Sendable {
    /// One name of the pattern.
    private enum Segment: Hashable, Sendable {
        /// `**`: any number of names.
        case anyNames
        case name([Token])
    }

    private enum Token: Hashable, Sendable {
        case byte(UInt8)
        /// `?`
        case any
        /// `*`
        case many
        /// `[...]`
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    private let segments: [Segment]

    /// Parses a pattern that is anchored at the root. Nil where no path can match it (an open `[`, a `\` at the end).
    init?(_ pattern: some Collection<UInt8>) {
        var segments: [Segment] = []
        for part in pattern.split(separator: RelativePath.slash) {
            if part.elementsEqual("**".utf8) {
                if segments.last != .anyNames { segments.append(.anyNames) }
            } else {
                guard let tokens = Self.parse(Array(part)) else { return nil }
                segments.append(.name(tokens))
            }
        }
        // A trailing ** matches what is inside, not the directory itself.
        if segments.last == .anyNames { segments.append(.name([.many])) }
        guard !segments.isEmpty else { return nil }
        self.segments = segments
    }

    private init(segments: [Segment]) { self.segments = segments }

    /// The same pattern at any depth.
    var floating: Glob { segments.first == .anyNames ? self : Glob(segments: [.anyNames] + segments) }

    /// Where a walk stands: which positions of the pattern the names so far may have reached.
    struct Progress: Hashable, Sendable {
        fileprivate var reached: [Bool]

        /// Whether the path so far matches the whole pattern.
        var isMatch: Bool { reached[reached.count - 1] }
        /// Whether a longer path could match.
        var canContinue: Bool { reached.dropLast().contains(true) }
    }

    /// The progress of the root itself.
    var start: Progress {
        var reached = [Bool](repeating: false, count: segments.count + 1)
        reached[0] = true
        return closed(Progress(reached: reached))
    }

    /// The progress after one more name.
    func advance(_ progress: Progress, name: [UInt8]) -> Progress {
        var reached = [Bool](repeating: false, count: segments.count + 1)
        for (index, segment) in segments.enumerated() where progress.reached[index] {
            switch segment {
            case .anyNames: reached[index] = true
            case .name(let tokens): if Self.matches(tokens, name) { reached[index + 1] = true }
            }
        }
        return closed(Progress(reached: reached))
    }

    /// Whether the path with these names matches.
    func matches(_ names: some Sequence<[UInt8]>) -> Bool {
        var progress = start
        for name in names { progress = advance(progress, name: name) }
        return progress.isMatch
    }

    /// `**` may also stand for no name at all.
    private func closed(_ progress: Progress) -> Progress {
        var progress = progress
        for (index, segment) in segments.enumerated() where progress.reached[index] && segment == .anyNames {
            progress.reached[index + 1] = true
        }
        return progress
    }

    /// Wildcards within one name: the classic walk that returns to the last `*`.
    private static func matches(_ tokens: [Token], _ name: [UInt8]) -> Bool {
        var token = 0
        var position = 0
        var retry: (token: Int, position: Int)?
        while position < name.count {
            if token < tokens.count, tokens[token] == .many {
                retry = (token + 1, position)
                token += 1
            } else if token < tokens.count, accepts(tokens[token], name[position]) {
                token += 1
                position += 1
            } else if let last = retry {
                retry = (last.token, last.position + 1)
                (token, position) = (last.token, last.position + 1)
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { $0 == .many }
    }

    private static func accepts(_ token: Token, _ byte: UInt8) -> Bool {
        switch token {
        case .byte(let expected): byte == expected
        case .any, .many: true
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(byte) } != isNegated
        }
    }

    private static func parse(_ text: [UInt8]) -> [Token]? {
        var tokens: [Token] = []
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "*"):
                if tokens.last != .many { tokens.append(.many) }
            case UInt8(ascii: "?"): tokens.append(.any)
            case UInt8(ascii: "\\"):
                index += 1
                guard index < text.count else { return nil }
                tokens.append(.byte(text[index]))
            case UInt8(ascii: "["):
                guard let set = parseSet(text, &index) else { return nil }
                tokens.append(set)
            case let byte: tokens.append(.byte(byte))
            }
            index += 1
        }
        return tokens
    }

    /// Parses from `[`; leaves `index` at the closing `]`.
    private static func parseSet(_ text: [UInt8], _ index: inout Int) -> Token? {
        var position = index + 1
        var isNegated = false
        if position < text.count, text[position] == UInt8(ascii: "!") || text[position] == UInt8(ascii: "^") {
            isNegated = true
            position += 1
        }
        var ranges: [ClosedRange<UInt8>] = []
        let first = position
        while position < text.count {
            if text[position] == UInt8(ascii: "]"), position > first {
                index = position
                return .set(ranges, isNegated: isNegated)
            }
            if text[position] == UInt8(ascii: "["), position + 1 < text.count, text[position + 1] == UInt8(ascii: ":") {
                guard let named = parseClass(text, &position) else { return nil }
                ranges += named
                continue
            }
            guard let low = literal(text, &position) else { return nil }
            if position + 1 < text.count, text[position] == UInt8(ascii: "-"), text[position + 1] != UInt8(ascii: "]") {
                position += 1
                guard let high = literal(text, &position) else { return nil }
                if low <= high { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        return nil
    }

    private static func literal(_ text: [UInt8], _ position: inout Int) -> UInt8? {
        if text[position] == UInt8(ascii: "\\") { position += 1 }
        guard position < text.count else { return nil }
        defer { position += 1 }
        return text[position]
    }

    /// A POSIX class such as `[:digit:]`, in ASCII.
    private static func parseClass(_ text: [UInt8], _ position: inout Int) -> [ClosedRange<UInt8>]? {
        let start = position + 2
        guard let end = text[start...].firstIndex(of: UInt8(ascii: ":")), end + 1 < text.count,
            text[end + 1] == UInt8(ascii: "]")
        else { return nil }
        position = end + 2
        let (lower, upper, digit) = (ascii("a", "z"), ascii("A", "Z"), ascii("0", "9"))
        switch String(decoding: text[start..<end], as: UTF8.self) {
        case "alpha": return [lower, upper]
        case "digit": return [digit]
        case "alnum": return [lower, upper, digit]
        case "lower": return [lower]
        case "upper": return [upper]
        case "xdigit": return [digit, ascii("a", "f"), ascii("A", "F")]
        case "space": return [9...13, 32...32]
        case "blank": return [9...9, 32...32]
        case "cntrl": return [0...31, 127...127]
        case "print": return [32...126]
        case "graph": return [33...126]
        case "punct": return [33...47, 58...64, 91...96, 123...126]
        default: return nil
        }
    }

    private static func ascii(_ low: Unicode.Scalar, _ high: Unicode.Scalar) -> ClosedRange<UInt8> {
        UInt8(ascii: low)...UInt8(ascii: high)
    }
}
