import Codec

/// A rule that a simulated run has broken.
public struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule, as a claim that should have held.
    public var rule: String
    /// What was seen instead.
    public var detail: String
    public var at: Instant

    public init(rule: String, detail: String, at: Instant) {
        self.rule = rule
        self.detail = detail
        self.at = at
    }

    public var description: String { "at \(at.story): \(rule): \(detail)" }
}

extension Instant {
    /// Seconds with microseconds, as stories write them.
    public var story: String {
        let micros = nanoseconds / 1_000
        let fraction = String(1_000_000 + micros % 1_000_000).dropFirst()
        return "\(micros / 1_000_000).\(fraction)s"
    }
}
