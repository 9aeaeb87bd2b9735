/// The lines of one `.gitignore` or `.swarmletignore` file, or of the list that holds without any file.
///
/// Semantics as `gitignore(5)` lays them out, with one difference: what git tracks is not looked up, so a tracked file that
/// a rule names is ignored here.
struct IgnoreRules: Sendable {
    /// What the last rule that fits says.
    enum Verdict: Hashable, Sendable {
        case ignored
        /// A rule with `!` takes it back in.
        case included
    }

    private struct Rule: Sendable {
        let glob: Glob
        let isNegated: Bool
        let isForDirectories: Bool
    }

    private let rules: [Rule]

    var isEmpty: Bool { rules.isEmpty }

    /// Reads the text of an ignore file.
    init(text: [UInt8]) {
        var text = text[...]
        // A byte order mark at the start is not part of the first pattern.
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        rules = text.split(separator: UInt8(ascii: "\n")).compactMap(Self.parse)
    }

    /// Never sent unless named: what is secret, what belongs to this host, what can be made again.
    static let neverSent = IgnoreRules(
        text: Array(".git\n.venv\nnode_modules\n__pycache__\n.env*\n*.pem\nid_*\n".utf8))

    /// What these rules say about the path with these names below the directory of the file; nil when none fits.
    func verdict(names: ArraySlice<[UInt8]>, isDirectory: Bool) -> Verdict? {
        for rule in rules.reversed() where isDirectory || !rule.isForDirectories {
            if rule.glob.matches(names) { return rule.isNegated ? .included : .ignored }
        }
        return nil
    }

    private static func parse(_ line: ArraySlice<UInt8>) -> Rule? {
        var line = line
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
        line = withoutTrailingSpaces(line)
        var isNegated = false
        if line.first == UInt8(ascii: "!") {
            isNegated = true
            line = line.dropFirst()
        }
        var isForDirectories = false
        if line.last == RelativePath.slash {
            isForDirectories = true
            line = line.dropLast()
        }
        guard !line.isEmpty, let glob = Glob(line) else { return nil }
        // A slash at the start or in the middle binds the pattern to the directory of its file.
        let isAnchored = line.contains(RelativePath.slash)
        return Rule(
            glob: isAnchored ? glob : glob.floating, isNegated: isNegated, isForDirectories: isForDirectories)
    }

    /// Trailing spaces go, unless a backslash stands before them.
    private static func withoutTrailingSpaces(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var end = line.endIndex
        while end > line.startIndex, line[end - 1] == UInt8(ascii: " ") {
            let backslashes = line[line.startIndex..<end - 1].reversed().prefix { $0 == UInt8(ascii: "\\") }
            if !backslashes.count.isMultiple(of: 2) { break }
            end -= 1
        }
        return line[line.startIndex..<end]
    }
}
