import Codec

/// Says so when a view is not the newest.
enum Staleness {
    /// - Parameter milliseconds: since a leader was heard; nil: the view is current.
    static func tell(_ milliseconds: UInt64?, _ terminal: Terminal) {
        guard let milliseconds else { return }
        let age = TimeSpan.phrase(Interval(nanoseconds: Int64(clamping: milliseconds) * 1_000_000))
        terminal.warn("no leader has been heard for \(age): this is how things were then")
    }
}
