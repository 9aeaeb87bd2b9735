/// Numbers as people type them.
public enum DecimalText {
    /// A decimal number with at most three places, as whole part and thousandths: exact, where a float would round.
    public static func parse(_ text: Substring) -> (whole: UInt64, thousandths: UInt64)? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, isDigits(first), let whole = UInt64(first) else { return nil }
        guard parts.count == 2 else { return (whole, 0) }
        guard isDigits(parts[1]), parts[1].count <= 3, let fraction = UInt64(parts[1]) else { return nil }
        return (whole, fraction * [1, 100, 10, 1][parts[1].count])
    }

    /// Whether the text is one or more of the digits 0 to 9, and nothing else.
    public static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}
