import Codec

/// What a relay has carried for a pair of members since the daemon started, both directions, and how fast more may follow.
///
/// A bucket that fills at a rate and holds a burst. What exceeds it waits for as long as the bucket takes to fill; so the
/// two together, however many sessions they have, get no more than the rate.
struct RelayMeter: Hashable, Sendable {
    static let bytesPerSecond: Int64 = 64 << 20
    static let burstBytes: Int64 = 8 << 20
    private static let second: Int64 = 1_000_000_000

    private(set) var byteCount: UInt64 = 0
    /// Sessions carried now.
    var sessions = 0
    /// What may still pass without waiting; below zero it is owed.
    private var allowance = RelayMeter.burstBytes
    private var filledAt: Instant

    init(at now: Instant) { filledAt = now }

    /// Counts bytes that are to pass now; how long they have to wait, a second at most.
    ///
    /// - Parameter debtMax: what may be owed without waiting.
    mutating func charge(_ bytes: Int, debtMax: Int64, at now: Instant) -> Interval {
        let elapsed = min((now - filledAt).nanoseconds, Self.second)
        allowance = min(Self.burstBytes, allowance + elapsed * Self.bytesPerSecond / Self.second)
        filledAt = now
        allowance -= Int64(bytes)
        byteCount += UInt64(bytes)
        let owed = -allowance - debtMax
        guard owed > 0 else { return .zero }
        return Interval(nanoseconds: min(owed * Self.second / Self.bytesPerSecond, Self.second))
    }
}
