import Codec

/// One thread that runs tasks, timers and I/O, over io_uring or epoll.
///
/// It is a task executor: a task that prefers it (`spawn`) begins, and after every `await` goes on, on the loop's own
/// thread, with no hop through the global pool. Objects touched only by such tasks need no lock. Everything here except
/// `post`, `spawn`, `stop`, `offload`, `now`, `backend` and `fallbackReason` may be called on the loop's thread only.
///
/// Sockets given to it are non-blocking. Every wait ends early when its deadline passes (`RingError.deadline`), when the
/// task is cancelled (`.cancelled`), when its descriptor is closed with `close` (`.closed`) and when the loop stops.
public protocol EventLoop: TaskExecutor {
    /// What the loop runs on.
    var backend: EventLoopBackend { get }
    /// Why this is epoll although io_uring was preferred, as a clause ("kernel 5.15 is older than 6.1").
    var fallbackReason: String? { get }
    /// Whether the caller runs on the loop's thread.
    var isCurrent: Bool { get }
    /// The boot-time clock (it counts on while the machine is suspended).
    var now: Instant { get }

    /// Runs the loop on the calling thread until `stop`, then ends all waits and returns. Once only.
    func run()
    /// Asks the loop to end. Any thread.
    func stop()
    /// Runs work on the loop, in the order posted. Any thread.
    func post(_ work: @escaping @Sendable () -> Void)
    /// Runs work that blocks on a thread of a small pool and comes back with its result.
    func offload<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value

    /// Runs work on the loop at a time, unless cancelled first.
    func schedule(at instant: Instant, _ work: @escaping @Sendable () -> Void) -> TimerToken
    /// Forgets a timer. One that has fired already is ignored.
    func cancel(_ timer: TimerToken)
    /// Suspends the task until `wake` is called with the token that `register` is given (during the call).
    func wait(until deadline: Instant?, register: (WaitToken) -> Void) async throws(RingError)
    /// Ends a `wait`. A token whose wait is over is ignored.
    func wake(_ token: WaitToken)

    /// Suspends the task until a time.
    func sleep(until instant: Instant) async throws(RingError)
    /// The next connection of a listener.
    func accept(_ listener: Listener, deadline: Instant?) async throws(RingError) -> Accepted
    /// A connected stream socket, which the caller owns and closes with `close`.
    func connect(_ address: SocketAddress, deadline: Instant?) async throws(RingError) -> Int32
    /// Some bytes, at most `maximum`; none when the other side has finished.
    func receive(_ socket: Int32, maximum: Int, deadline: Instant?) async throws(RingError) -> [UInt8]
    /// Sends all the bytes. After an error it is unknown how many went out.
    func send(_ socket: Int32, _ bytes: [UInt8], deadline: Instant?) async throws(RingError)
    /// Waits until reading would not block (also pidfd, pipe, inotify, signalfd, timerfd).
    func readable(_ descriptor: Int32, deadline: Instant?) async throws(RingError)
    /// Waits until writing would not block.
    func writable(_ descriptor: Int32, deadline: Instant?) async throws(RingError)
    /// The next datagram and its sender. What exceeds `maximum` bytes is cut off.
    func receiveDatagram(_ socket: Int32, maximum: Int, deadline: Instant?) async throws(RingError)
        -> (bytes: [UInt8], sender: SocketAddress)
    /// Sends one datagram; waits while the socket's buffer is full.
    func sendDatagram(_ socket: Int32, _ bytes: [UInt8], to address: SocketAddress) async throws(RingError)
    /// Closes a descriptor. Operations that wait on it end with `.closed`.
    func close(_ descriptor: Int32)
}

extension EventLoop {
    /// A task that runs on this loop from its first line to its last. Any thread.
    @discardableResult
    public func spawn(_ name: String, _ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        Task(name: name, executorPreference: self, operation: body)
    }

    /// Suspends the task for a while.
    public func sleep(for interval: Interval) async throws(RingError) { try await sleep(until: now + interval) }

    /// The time `interval` from now, for deadlines.
    public func after(_ interval: Interval) -> Instant { now + interval }

    public func accept(_ listener: Listener) async throws(RingError) -> Accepted {
        try await accept(listener, deadline: nil)
    }
    public func receive(_ socket: Int32, maximum: Int) async throws(RingError) -> [UInt8] {
        try await receive(socket, maximum: maximum, deadline: nil)
    }
    public func send(_ socket: Int32, _ bytes: [UInt8]) async throws(RingError) {
        try await send(socket, bytes, deadline: nil)
    }
    public func readable(_ descriptor: Int32) async throws(RingError) {
        try await readable(descriptor, deadline: nil)
    }
    public func receiveDatagram(_ socket: Int32, maximum: Int) async throws(RingError)
        -> (bytes: [UInt8], sender: SocketAddress)
    {
        try await receiveDatagram(socket, maximum: maximum, deadline: nil)
    }
}
