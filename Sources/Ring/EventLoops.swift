import Codec
import Glibc

/// Makes event loops, and reads the clocks.
public enum EventLoops {
    /// Which backend a caller wants.
    public enum Preference: String, Hashable, Sendable {
        /// io_uring where it works, epoll elsewhere.
        case automatic
        case ioUring
        case epoll
    }

    /// A loop that has not begun to run. With `.automatic`, a host without a usable io_uring gets epoll and a
    /// `fallbackReason`; with `.ioUring` it gets an error.
    public static func make(preferring preference: Preference = .automatic) throws(RingError) -> any EventLoop {
        switch preference {
        case .epoll: return try EpollLoop(fallbackReason: nil)
        case .ioUring, .automatic: break
        }
        do throws(RingError) {
            return try UringLoop()
        } catch .backendUnavailable(let reason) where preference == .automatic {
            return try EpollLoop(fallbackReason: reason)
        }
    }

    /// Time since boot, including time suspended.
    public static var bootClock: Instant { read(CLOCK_BOOTTIME) }
    /// Time since the Unix epoch. It can jump.
    public static var wallClock: Instant { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Instant {
        var time = timespec()
        clock_gettime(clock, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
