import CLinux
import Codec
import Glibc
import Synchronization

/// What both backends share: the run loop, the queues, timers and waits. A backend adds how the kernel is asked.
///
/// Confined to its loop, except for the members that `EventLoop` allows on any thread.
class LoopCore: EventLoop, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    /// Rounds of ready work between two looks at the kernel, so that I/O is not starved and not asked for every job.
    private static let roundsPerPoll = 8
    /// How long a stopping loop lets its tasks end.
    private static let stopGrace = Interval.seconds(2)

    let backend: EventLoopBackend
    let fallbackReason: String?
    let wakeDescriptor: Int32
    var waits = WaitTable()
    private(set) var timers = TimerHeap()
    private(set) var isStopping = false
    private var ready: [Work] = []
    private let inbox = Mutex<[Work]>([])
    /// Takes the place of a closed descriptor's file for a moment.
    private let nullDevice: Int32
    /// Descriptors closed whose numbers are not free yet, with the round after which they can be (0: not known yet).
    private var closing: [(descriptor: Int32, freeAfter: UInt64)] = []
    private var round: UInt64 = 0
    private let owner = Atomic<UInt>(0)
    private let stopRequested = Atomic<Bool>(false)

    init(backend: EventLoopBackend, fallbackReason: String?) throws(RingError) {
        self.backend = backend
        self.fallbackReason = fallbackReason
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        nullDevice = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard wakeDescriptor >= 0, nullDevice >= 0 else { throw .system("eventfd", errno) }
    }

    deinit {
        for entry in closing { Glibc.close(entry.descriptor) }
        Glibc.close(nullDevice)
        Glibc.close(wakeDescriptor)
    }

    // MARK: What a backend provides

    /// Called on the loop's thread before anything else.
    func begin() {}
    /// Collects completions; blocks until one is there, the wake descriptor is written, or `timeout` has passed (nil: for ever).
    func poll(timeout: Interval?) { fatalOverride() }
    /// Begins to wait for poll events; the wait ends with a result of 0 or more, or a negated errno.
    func arm(_ token: WaitToken, _ descriptor: Int32, events: UInt32) { fatalOverride() }
    /// Asks the kernel to give a wait up that it owns.
    func cancelInKernel(_ token: WaitToken) { fatalOverride() }
    /// Called before a descriptor is closed, after its waits have been interrupted.
    func forget(_ descriptor: Int32) {}

    private func fatalOverride() -> Never { preconditionFailure("a backend overrides this") }

    // MARK: Running

    func run() {
        let me = UInt(pthread_self())
        let (isFirst, _) = owner.compareExchange(expected: 0, desired: me, ordering: .sequentiallyConsistent)
        precondition(isFirst, "a loop runs once")
        begin()
        while !stopRequested.load(ordering: .acquiring) {
            turn(longest: nil)
        }
        windDown()
    }

    /// One turn: what is ready, what is due, and what the kernel has.
    private func turn(longest: Interval?) {
        fireTimers()
        var rounds = 0
        while rounds < LoopCore.roundsPerPoll, runReady() { rounds += 1 }
        round += UInt64(rounds) + 1
        if !closing.isEmpty { freeClosed() }
        var timeout = longest
        if !ready.isEmpty || !closing.isEmpty || stopRequested.load(ordering: .acquiring) && !isStopping {
            timeout = .zero
        } else if let next = timers.nextDeadline {
            let left = max(.zero, next - now)
            timeout = timeout.map { min($0, left) } ?? left
        }
        poll(timeout: timeout)
    }

    private func fireTimers() {
        let now = self.now
        // A timer that sets another one in the past does not keep the loop here.
        var most = timers.count
        while most > 0, let action = timers.popDue(now) {
            most -= 1
            switch action {
            case .work(let work): work()
            case .wait(let token):
                guard waits.isWaiting(token) else { continue }
                waits[token].timer = nil
                interrupt(token, Outcome.deadline)
            }
        }
    }

    /// Runs what was ready when it was called; what that makes ready runs in the next round.
    private func runReady() -> Bool {
        let arrived = inbox.withLock { inbox in
            guard !inbox.isEmpty else { return [Work]() }
            return exchange(&inbox, with: [])
        }
        ready.append(contentsOf: arrived)
        guard !ready.isEmpty else { return false }
        var batch: [Work] = []
        swap(&batch, &ready)
        for work in batch {
            switch work {
            case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .closure(let closure): closure()
            }
        }
        if ready.isEmpty {
            batch.removeAll(keepingCapacity: true)
            swap(&batch, &ready)
        }
        return true
    }

    /// Ends all waits and lets their tasks run to their ends, within bounds.
    private func windDown() {
        isStopping = true
        let deadline = now + LoopCore.stopGrace
        repeat {
            for token in waits.all { interrupt(token, Outcome.stopped) }
            turn(longest: .milliseconds(10))
        } while (waits.count > 0 || !ready.isEmpty) && now < deadline
    }

    func stop() {
        stopRequested.store(true, ordering: .releasing)
        ring()
    }

    /// Makes the loop's thread look at its inbox.
    private func ring() {
        // A full counter (EAGAIN) means that the loop will look anyway.
        _ = eventfd_write(wakeDescriptor, 1)
    }

    /// Empties the wake descriptor after it was found readable.
    final func drainWake() {
        var value: eventfd_t = 0
        _ = eventfd_read(wakeDescriptor, &value)
    }

    var isCurrent: Bool { owner.load(ordering: .relaxed) == UInt(pthread_self()) }
    var now: Instant { EventLoops.bootClock }

    // MARK: Work

    func enqueue(_ job: consuming ExecutorJob) { submit(.job(UnownedJob(job))) }
    func post(_ work: @escaping @Sendable () -> Void) { submit(.closure(work)) }

    private func submit(_ work: Work) {
        if isCurrent {
            ready.append(work)
            return
        }
        let wasEmpty = inbox.withLock { inbox in
            inbox.append(work)
            return inbox.count == 1
        }
        if wasEmpty { ring() }
    }

    func offload<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withUnsafeContinuation { continuation in
            WorkerPool.shared.submit { continuation.resume(returning: work()) }
        }
    }

    func schedule(at instant: Instant, _ work: @escaping @Sendable () -> Void) -> TimerToken {
        precondition(isCurrent, "timers belong to the loop's thread")
        return timers.insert(at: instant, .work(work))
    }

    func cancel(_ timer: TimerToken) { timers.remove(timer) }

    // MARK: Waiting

    /// Suspends the task; `arm` starts what will end the wait. The result is the kernel's, or an `Outcome`.
    final func suspend(on descriptor: Int32, until deadline: Instant?, _ arm: (WaitToken) -> Void) async -> Int32 {
        precondition(isCurrent, "waits belong to the loop's thread")
        if isStopping { return Outcome.stopped }
        if isClosing(descriptor) { return Outcome.closed }
        let token = waits.reserve()
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                waits.add(continuation, token: token, descriptor: descriptor)
                if let deadline { waits[token].timer = timers.insert(at: deadline, .wait(token)) }
                arm(token)
            }
        } onCancel: {
            // Posted, so that a task that is cancelled already is interrupted after its wait has begun.
            post { self.interrupt(token, Outcome.cancelled) }
        }
    }

    /// Ends a wait early, at once or as soon as the kernel has let go of its operation.
    final func interrupt(_ token: WaitToken, _ reason: Int32) {
        guard waits.isWaiting(token) else { return }
        guard waits[token].isInKernel else { return finish(token, reason) }
        guard waits[token].reason == 0 else { return }
        waits[token].reason = reason
        cancelInKernel(token)
    }

    /// Ends a wait with a result.
    final func finish(_ token: WaitToken, _ result: Int32) {
        guard waits.isWaiting(token) else { return }
        let wait = waits.remove(token)
        if let timer = wait.timer { timers.remove(timer) }
        wait.continuation?.resume(returning: result < 0 && wait.reason != 0 ? wait.reason : result)
    }

    /// Suspends the task until poll events come.
    final func awaitEvents(_ descriptor: Int32, _ events: UInt32, _ deadline: Instant?) async throws(RingError) {
        let result = await suspend(on: descriptor, until: deadline) { token in
            waits[token].interest = events
            arm(token, descriptor, events: events)
        }
        guard result >= 0 else { throw Outcome.error(result, "poll") }
    }

    func wait(until deadline: Instant?, register: (WaitToken) -> Void) async throws(RingError) {
        let result = await suspend(on: -1, until: deadline, register)
        guard result >= 0 else { throw Outcome.error(result, "wait") }
    }

    func wake(_ token: WaitToken) {
        precondition(isCurrent, "waits belong to the loop's thread")
        finish(token, 0)
    }

    func sleep(until instant: Instant) async throws(RingError) {
        let result = await suspend(on: -1, until: instant) { _ in }
        guard result == Outcome.deadline else { throw Outcome.error(result, "sleep") }
    }

    func readable(_ descriptor: Int32, deadline: Instant?) async throws(RingError) {
        try await awaitEvents(descriptor, UInt32(POLLIN), deadline)
    }

    func writable(_ descriptor: Int32, deadline: Instant?) async throws(RingError) {
        try await awaitEvents(descriptor, UInt32(POLLOUT), deadline)
    }

    // MARK: Closing

    /// The file is closed at once, but its number stays taken until every task that waited on it has run: a task that
    /// was woken just before must not find another connection under the same number.
    func close(_ descriptor: Int32) {
        precondition(isCurrent, "a descriptor with waits is closed on the loop's thread")
        guard descriptor >= 0, !isClosing(descriptor) else { return }
        for token in waits.tokens(on: descriptor) { interrupt(token, Outcome.closed) }
        forget(descriptor)
        dup2(nullDevice, descriptor)
        closing.append((descriptor, 0))
    }

    private final func isClosing(_ descriptor: Int32) -> Bool {
        !closing.isEmpty && closing.contains { $0.descriptor == descriptor }
    }

    private func freeClosed() {
        closing.removeAll { entry in
            guard entry.freeAfter != 0, entry.freeAfter < round else { return false }
            Glibc.close(entry.descriptor)
            return true
        }
        for index in closing.indices where closing[index].freeAfter == 0 {
            // Woken tasks run in the turn after this one at the latest.
            if waits.tokens(on: closing[index].descriptor).isEmpty { closing[index].freeAfter = round + 2 }
        }
    }

    // MARK: Sockets by trying first, then waiting (a backend may do better)

    func accept(_ listener: Listener, deadline: Instant?) async throws(RingError) -> Accepted {
        while true {
            if isClosing(listener.descriptor) { throw .closed }
            let socket = swarmlet_accept(listener.descriptor)
            if socket >= 0 { return Accepted(socket: socket) }
            try await waitOut(errno, "accept", listener.descriptor, UInt32(POLLIN), deadline)
        }
    }

    func connect(_ address: SocketAddress, deadline: Instant?) async throws(RingError) -> Int32 {
        let socket = try Sockets.stream(for: address)
        do throws(RingError) {
            let result = address.withSocketAddress { pointer, length in
                Glibc.connect(socket, pointer, length) == 0 ? 0 : -errno
            }
            if result == -EINPROGRESS {
                try await awaitEvents(socket, UInt32(POLLOUT), deadline)
                try Sockets.checkConnected(socket, address)
            } else if result < 0 {
                throw Sockets.connectError(-result, address)
            }
            return socket
        } catch {
            close(socket)
            throw error
        }
    }

    func receive(_ socket: Int32, maximum: Int, deadline: Instant?) async throws(RingError) -> [UInt8] {
        while true {
            if isClosing(socket) { throw .closed }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: min(maximum, Sockets.receiveLimit)) { buffer, count in
                let received = recv(socket, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                failure = received < 0 ? errno : 0
                count = max(0, received)
            }
            if failure == 0 { return bytes }
            try await waitOut(failure, "recv", socket, UInt32(POLLIN), deadline)
        }
    }

    func send(_ socket: Int32, _ bytes: [UInt8], deadline: Instant?) async throws(RingError) {
        var sent = 0
        while sent < bytes.count {
            if isClosing(socket) { throw .closed }
            var failure: Int32 = 0
            bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                let count = Glibc.send(socket, rest.baseAddress, rest.count, Sockets.sendFlags)
                if count < 0 { failure = errno } else { sent += count }
            }
            if failure != 0 { try await waitOut(failure, "send", socket, UInt32(POLLOUT), deadline) }
        }
    }

    func receiveDatagram(_ socket: Int32, maximum: Int, deadline: Instant?) async throws(RingError)
        -> (bytes: [UInt8], sender: SocketAddress)
    {
        while true {
            if isClosing(socket) { throw .closed }
            var failure: Int32 = 0
            var sender = SocketAddress.unix("")
            let bytes = [UInt8](unsafeUninitializedCapacity: maximum) { buffer, count in
                let (received, address) = SocketAddress.receiving { pointer, length in
                    recvfrom(socket, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT), pointer, length)
                }
                failure = received < 0 ? errno : 0
                count = max(0, received)
                if let address { sender = address }
            }
            if failure == 0 { return (bytes, sender) }
            // An earlier datagram was refused by its receiver (ICMP); this says nothing about the next one.
            if failure == ECONNREFUSED { continue }
            try await waitOut(failure, "recvfrom", socket, UInt32(POLLIN), deadline)
        }
    }

    func sendDatagram(_ socket: Int32, _ bytes: [UInt8], to address: SocketAddress) async throws(RingError) {
        while true {
            if isClosing(socket) { throw .closed }
            let failure = address.withSocketAddress { pointer, length in
                bytes.withUnsafeBytes { buffer in
                    sendto(socket, buffer.baseAddress, buffer.count, Sockets.sendFlags, pointer, length) < 0 ? errno : 0
                }
            }
            if failure == 0 || failure == ECONNREFUSED { return }
            try await waitOut(failure, "sendto", socket, UInt32(POLLOUT), nil)
        }
    }

    /// After a call failed: waits if it only would have blocked, throws otherwise.
    private func waitOut(
        _ failure: Int32, _ call: String, _ descriptor: Int32, _ events: UInt32, _ deadline: Instant?
    ) async throws(RingError) {
        switch failure {
        case EAGAIN: try await awaitEvents(descriptor, events, deadline)
        case EINTR: return
        case ECONNABORTED where call == "accept": return
        default: throw .of(call, failure)
        }
    }
}

/// Puts a new value in a place and returns the old one.
func exchange<Value>(_ place: inout Value, with new: Value) -> Value {
    let old = place
    place = new
    return old
}
