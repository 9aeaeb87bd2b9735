import Codec

/// Times in tokens: whole seconds since the Unix epoch here, `2026-11-21T14:30:00Z` in claims.
public enum TokenTime {
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000

    /// How far the clock of an issuer may be ahead of that of the verifier, in seconds.
    public static let toleranceSeconds: Int64 = 30

    /// The times that tokens can name: up to the year 2262.
    static let range: ClosedRange<Int64> = 0...Int64.max / nanosecondsPerSecond

    private static let characterCount = 20

    /// Times outside the range are written as its nearest end.
    static func text(_ seconds: Int64) -> String {
        RFC3339.format(min(max(seconds, range.lowerBound), range.upperBound) * nanosecondsPerSecond)
    }

    /// Only the one spelling that `text` writes.
    static func parse(_ text: String) throws(TokenError) -> Int64 {
        do {
            let nanoseconds = try RFC3339.parse(text)
            // A fraction or an offset would make it longer.
            if text.utf8.count == characterCount, nanoseconds >= 0 { return nanoseconds / nanosecondsPerSecond }
        } catch {
            throw .malformed("a time is not written as 2026-11-21T14:30:00Z")
        }
        throw .malformed("a time is not written as 2026-11-21T14:30:00Z")
    }

    /// `14:30`, for messages.
    static func clock(_ seconds: Int64) -> String { String(text(seconds).dropFirst(11).prefix(5)) }
}
