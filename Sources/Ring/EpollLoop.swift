import CLinux
import Codec
import Glibc

/// The backend for hosts where io_uring is blocked or too old.
///
/// Each wait arms its descriptor once (`EPOLLONESHOT`, level-triggered): one `epoll_ctl` a wait, and no edge can be lost
/// whoever else reads the descriptor.
final class EpollLoop: LoopCore, @unchecked Sendable {
    private static let eventsPerPoll = 256

    private let epoll: Int32
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: eventsPerPoll)

    init(fallbackReason: String?) throws(RingError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .system("epoll_create1", errno) }
        try super.init(backend: .epoll, fallbackReason: fallbackReason)
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: wakeDescriptor))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, wakeDescriptor, &event) == 0 else { throw .system("epoll_ctl", errno) }
    }

    deinit {
        Glibc.close(epoll)
        events.deallocate()
    }

    override func poll(timeout: Interval?) {
        let count: Int32
        if let timeout {
            let nanoseconds = timeout.nanoseconds
            var limit = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
            count = epoll_pwait2(epoll, events, Int32(EpollLoop.eventsPerPoll), &limit, nil)
        } else {
            count = epoll_wait(epoll, events, Int32(EpollLoop.eventsPerPoll), -1)
        }
        guard count >= 0 else {
            precondition(errno == EINTR, "epoll_wait: \(RingError.describe(errno))")
            return
        }
        for index in 0..<Int(count) { handle(events[index]) }
    }

    private func handle(_ event: epoll_event) {
        let descriptor = event.data.fd
        if descriptor == wakeDescriptor { return drainWake() }
        // An error or a hang-up concerns readers and writers alike: their next call says which it was.
        let isBroken = event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        for token in waits.tokens(on: descriptor) where isBroken || waits[token].interest & event.events != 0 {
            finish(token, 0)
        }
        let left = waits.interest(on: descriptor)
        if left != 0 { _ = register(descriptor, left) }
    }

    override func arm(_ token: WaitToken, _ descriptor: Int32, events: UInt32) {
        let failure = register(descriptor, waits.interest(on: descriptor))
        switch failure {
        case 0: return
        case EPERM: finish(token, 0)  // A regular file is always ready.
        default: finish(token, -failure)
        }
    }

    /// The poll events of `interest` have the same numbers in epoll.
    private func register(_ descriptor: Int32, _ interest: UInt32) -> Int32 {
        var event = epoll_event(
            events: interest | EPOLLONESHOT.rawValue, data: epoll_data_t(fd: descriptor))
        if epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event) == 0 { return 0 }
        guard errno == ENOENT else { return errno }
        return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno
    }

    override func cancelInKernel(_ token: WaitToken) { preconditionFailure("epoll owns no operations") }

    override func forget(_ descriptor: Int32) {
        // Needed where the descriptor was duplicated into another process; absent is fine.
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }
}
