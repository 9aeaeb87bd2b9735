import Codec

/// Which files of a checkpoint directory count, and how often they are taken.
public struct CheckpointRules: Hashable, Sendable {
    /// Names of checkpoint files: `*` and `?` as in a shell, matched against the last component of the path.
    public var patterns: [String]
    /// Everything counts but temporary files: the job promised with `--checkpoint-every` that the directory holds nothing else.
    public var takesAll: Bool
    /// Shortest time between two checkpoints.
    public var every: Interval
    /// How long a file that only grows may hold back the others before it is left out: a log beside the checkpoint.
    public var patience: Interval

    public static let standardPatterns = ["*.pt", "*.pth", "*.ckpt", "*.safetensors"]

    public init(
        patterns: [String] = standardPatterns, takesAll: Bool = false, every: Interval = .seconds(2),
        patience: Interval = .seconds(10)
    ) {
        self.patterns = patterns
        self.takesAll = takesAll
        self.every = every
        self.patience = patience
    }

    /// Files that programs write before they rename them, and what editors and interpreters leave.
    static func isTemporary(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        if parts.contains("__pycache__") || parts.contains(where: { $0.hasPrefix(".") }) { return true }
        guard let name = parts.last else { return true }
        if name.hasSuffix("~") || name.hasPrefix("tmp") { return true }
        if matches(Array(name.utf8)[...], Array("*.tmp*".utf8)[...]) { return true }
        return [".temp", ".part", ".partial", ".incomplete", ".swp", ".lock", ".new"].contains { name.hasSuffix($0) }
    }

    func counts(_ path: String) -> Bool {
        if Self.isTemporary(path) { return false }
        if takesAll { return true }
        return isNamed(path)
    }

    /// It matches a pattern: such a file is never left out, however long it grows.
    func isNamed(_ path: String) -> Bool {
        let name = Array((path.split(separator: "/").last ?? "").utf8)
        return patterns.contains { Self.matches(name[...], Array($0.utf8)[...]) }
    }

    /// One star at a time, going back only to the last one: linear in practice, never exponential.
    static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        var (at, want) = (name.startIndex, pattern.startIndex)
        var star: (at: Int, want: Int)?
        while at < name.endIndex {
            if want < pattern.endIndex, pattern[want] == UInt8(ascii: "*") {
                star = (at, want)
                want += 1
            } else if want < pattern.endIndex, pattern[want] == UInt8(ascii: "?") || pattern[want] == name[at] {
                at += 1
                want += 1
            } else if let last = star {
                star = (last.at + 1, last.want)
                at = last.at + 1
                want = last.want + 1
            } else {
                return false
            }
        }
        return pattern[want...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
