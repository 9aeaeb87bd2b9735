import Codec

/// The boot-time clock of one host: it starts somewhere at each boot and runs a little too fast or too slow.
struct SimulatedClock {
    private let bootedAt: Instant
    private let start: Int64
    /// Parts per million by which it runs fast.
    private let drift: Int64

    init(bootedAt: Instant, start: Int64, drift: Int64) {
        self.bootedAt = bootedAt
        self.start = start
        self.drift = drift
    }

    func local(_ now: Instant) -> Instant {
        let elapsed = (now - bootedAt).nanoseconds
        return Instant(nanoseconds: start + elapsed + elapsed / 1_000_000 * drift)
    }

    /// The first true time, to a microsecond, at which the clock shows `local` or later; never in the past.
    func trueTime(of local: Instant, now: Instant) -> Instant {
        let missing = (local - self.local(now)).nanoseconds
        guard missing > 0 else { return now }
        return now + Interval(nanoseconds: missing - missing / 1_000_000 * drift + 1_000)
    }
}
