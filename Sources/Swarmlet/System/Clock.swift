import Codec
import Glibc

/// The clocks of this host, as values.
enum Clock {
    /// Since boot, suspended time included.
    static func sinceBoot() -> Instant { read(CLOCK_BOOTTIME) }
    /// Since the Unix epoch.
    static func wall() -> Instant { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Instant {
        var time = timespec()
        clock_gettime(clock, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
