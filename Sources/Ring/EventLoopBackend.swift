/// The kernel interface beneath an event loop.
public enum EventLoopBackend: String, Hashable, Sendable, CaseIterable {
    case ioUring = "io_uring"
    case epoll = "epoll"
}
