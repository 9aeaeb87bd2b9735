import Codec
import Glibc

/// The clocks of this host.
public enum HostClock {
    /// Time since boot; it goes on while the host sleeps. Leases and limits are measured on it.
    public static func sinceBoot() -> Instant { Instant(nanoseconds: read(CLOCK_BOOTTIME)) }
    /// Nanoseconds since the Unix epoch: for people, never for decisions.
    public static func unix() -> Int64 { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
