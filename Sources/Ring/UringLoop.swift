import CLinux
import CUring
import Codec
import Glibc

/// The io_uring backend: operations are queued in memory shared with the kernel and submitted, all together, by the same
/// system call that waits (io_uring(7)).
///
/// It needs Linux 6.1 (`IORING_SETUP_DEFER_TASKRUN`: completions run only when the loop asks, on its own thread).
/// Receives take their memory from a ring of provided buffers when data is there, so an idle connection holds none.
final class UringLoop: LoopCore, @unchecked Sendable {
    private static let submissionEntries: UInt32 = 256
    private static let completionEntries: UInt32 = 4096
    private static let completionsPerReap = 128
    /// Provided buffers; their number is a power of two, and a length fits the low 16 bits of a result.
    private static let bufferCount = 64
    private static let bufferSize = 32_768
    private static let bufferGroup: UInt16 = 0
    /// Completions that belong to no wait. No slot has such a number.
    private static let wakeData = UInt64.max
    private static let ignoredData = UInt64.max - 1

    private let uring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    private let bufferRing: UnsafeMutablePointer<io_uring_buf_ring>
    private let buffers: UnsafeMutableRawPointer
    private let batch = UnsafeMutablePointer<UnsafeMutablePointer<io_uring_cqe>?>.allocate(
        capacity: completionsPerReap)

    init() throws(RingError) {
        var parameters = io_uring_params()
        parameters.flags =
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN
            | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL
        parameters.cq_entries = UringLoop.completionEntries
        uring.initialize(to: io_uring())
        let failure = -io_uring_queue_init_params(UringLoop.submissionEntries, uring, &parameters)
        guard failure == 0 else {
            uring.deallocate()
            batch.deallocate()
            throw .backendUnavailable(UringLoop.reason(failure))
        }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let ringBytes = UringLoop.bufferCount * MemoryLayout<io_uring_buf>.stride
        let ringMemory = UnsafeMutableRawPointer.allocate(byteCount: ringBytes, alignment: page)
        ringMemory.initializeMemory(as: UInt8.self, repeating: 0, count: ringBytes)
        bufferRing = ringMemory.assumingMemoryBound(to: io_uring_buf_ring.self)
        buffers = UnsafeMutableRawPointer.allocate(
            byteCount: UringLoop.bufferCount * UringLoop.bufferSize, alignment: page)
        var registration = io_uring_buf_reg()
        registration.ring_addr = UInt64(UInt(bitPattern: ringMemory))
        registration.ring_entries = UInt32(UringLoop.bufferCount)
        registration.bgid = UringLoop.bufferGroup
        let refusal = -io_uring_register_buf_ring(uring, &registration, 0)
        guard refusal == 0 else {
            io_uring_queue_exit(uring)
            uring.deallocate()
            batch.deallocate()
            ringMemory.deallocate()
            buffers.deallocate()
            throw .backendUnavailable(UringLoop.reason(refusal))
        }
        io_uring_buf_ring_init(bufferRing)
        try super.init(backend: .ioUring, fallbackReason: nil)
        for index in 0..<UringLoop.bufferCount { provide(UInt16(index)) }
    }

    deinit {
        io_uring_queue_exit(uring)
        uring.deallocate()
        batch.deallocate()
        // An operation that outlived the loop's grace could still write into these.
        guard waits.count == 0 else { return }
        UnsafeMutableRawPointer(bufferRing).deallocate()
        buffers.deallocate()
    }

    private static func reason(_ failure: Int32) -> String {
        switch failure {
        case EPERM, EACCES: "it is blocked (seccomp profile, or kernel.io_uring_disabled)"
        case ENOSYS: "this kernel has none"
        case EINVAL: "this kernel is older than 6.1"
        case ENOMEM: "the limit on locked memory is too low (ulimit -l)"
        default: RingError.describe(failure)
        }
    }

    // MARK: The kernel's side

    override func begin() {
        // The ring belongs to the thread that enables it.
        let result = io_uring_enable_rings(uring)
        precondition(result == 0, "io_uring_enable_rings: \(RingError.describe(-result))")
        armWake()
    }

    override func poll(timeout: Interval?) {
        let result: Int32
        if let timeout, timeout == .zero {
            result = io_uring_submit_and_get_events(uring)
        } else if let timeout {
            var limit = __kernel_timespec(
                tv_sec: timeout.nanoseconds / 1_000_000_000, tv_nsec: timeout.nanoseconds % 1_000_000_000)
            var first: UnsafeMutablePointer<io_uring_cqe>?
            result = io_uring_submit_and_wait_timeout(uring, &first, 1, &limit, nil)
        } else {
            result = io_uring_submit_and_wait(uring, 1)
        }
        switch -result {
        case ETIME, EINTR, EAGAIN, EBUSY: break
        default: precondition(result >= 0, "io_uring_enter: \(RingError.describe(-result))")
        }
        reap()
    }

    private func reap() {
        while true {
            let count = Int(io_uring_peek_batch_cqe(uring, batch, UInt32(UringLoop.completionsPerReap)))
            guard count > 0 else { return }
            let completions = (0..<count).compactMap { batch[$0]?.pointee }
            // Advanced before they are handled: handling may submit, and a full ring may reap again.
            io_uring_cq_advance(uring, UInt32(count))
            for completion in completions { handle(completion) }
        }
    }

    private func handle(_ completion: io_uring_cqe) {
        switch completion.user_data {
        case UringLoop.ignoredData: return
        case UringLoop.wakeData:
            drainWake()
            armWake()
        default:
            let token = WaitToken(userData: completion.user_data)
            precondition(waits.isWaiting(token), "a completion without a wait")
            waits[token].isInKernel = false
            var result = completion.res
            if completion.flags & UInt32(IORING_CQE_F_BUFFER) != 0 {
                let buffer = UInt16(truncatingIfNeeded: completion.flags >> UInt32(IORING_CQE_BUFFER_SHIFT))
                if result > 0 { result |= Int32(buffer) << 16 } else { provide(buffer) }
            }
            finish(token, result)
        }
    }

    private func armWake() {
        let entry = nextEntry()
        io_uring_prep_poll_add(entry, wakeDescriptor, UInt32(POLLIN))
        entry.pointee.user_data = UringLoop.wakeData
    }

    private func nextEntry() -> UnsafeMutablePointer<io_uring_sqe> {
        while true {
            if let entry = io_uring_get_sqe(uring) { return entry }
            // Full: hand over what is there; a kernel with a backlog of completions takes more only after a reap.
            let result = io_uring_submit(uring)
            if result <= 0 { reap() }
        }
    }

    private func start(_ token: WaitToken, _ entry: UnsafeMutablePointer<io_uring_sqe>) {
        entry.pointee.user_data = token.userData
        waits[token].isInKernel = true
    }

    override func arm(_ token: WaitToken, _ descriptor: Int32, events: UInt32) {
        let entry = nextEntry()
        io_uring_prep_poll_add(entry, descriptor, events)
        start(token, entry)
    }

    override func cancelInKernel(_ token: WaitToken) {
        let entry = nextEntry()
        io_uring_prep_cancel64(entry, token.userData, 0)
        entry.pointee.user_data = UringLoop.ignoredData
    }

    override func forget(_ descriptor: Int32) {
        // Entries not yet submitted name the descriptor by its number, which is about to mean something else.
        _ = io_uring_submit(uring)
    }

    // MARK: Operations

    override func accept(_ listener: Listener, deadline: Instant?) async throws(RingError) -> Accepted {
        while true {
            let result = await suspend(on: listener.descriptor, until: deadline) { token in
                let entry = nextEntry()
                io_uring_prep_accept(entry, listener.descriptor, nil, nil, Sockets.nonBlockingFlags)
                start(token, entry)
            }
            if result >= 0 { return Accepted(socket: result) }
            guard result == -ECONNABORTED || result == -EAGAIN else { throw Outcome.error(result, "accept") }
        }
    }

    override func connect(_ address: SocketAddress, deadline: Instant?) async throws(RingError) -> Int32 {
        let socket = try Sockets.stream(for: address)
        // The kernel reads the address at submission, which comes after this function has suspended.
        let storage = UnsafeMutablePointer<sockaddr_storage>.allocate(capacity: 1)
        storage.initialize(to: sockaddr_storage())
        defer { storage.deallocate() }
        let length = address.write(to: &storage.pointee)
        let result = await suspend(on: socket, until: deadline) { token in
            let entry = nextEntry()
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                io_uring_prep_connect(entry, socket, $0, length)
            }
            start(token, entry)
        }
        guard result < 0 else { return socket }
        close(socket)
        throw result <= Outcome.deadline ? Outcome.error(result, "connect") : Sockets.connectError(-result, address)
    }

    override func receive(_ socket: Int32, maximum: Int, deadline: Instant?) async throws(RingError) -> [UInt8] {
        while true {
            let result = await suspend(on: socket, until: deadline) { token in
                let entry = nextEntry()
                io_uring_prep_recv(entry, socket, nil, min(maximum, UringLoop.bufferSize), 0)
                entry.pointee.flags |= UInt8(1 << IOSQE_BUFFER_SELECT_BIT)
                entry.pointee.buf_group = UringLoop.bufferGroup
                start(token, entry)
            }
            if result >= 0 { return take(result) }
            // More completions at once than buffers: the tasks ahead give theirs back before this one runs again.
            guard result == -ENOBUFS else { throw Outcome.error(result, "recv") }
            await Task.yield()
        }
    }

    /// Copies a received message out of its buffer: the length is in the low 16 bits of the result, the buffer above.
    private func take(_ result: Int32) -> [UInt8] {
        let length = Int(result & 0xFFFF)
        guard length > 0 else { return [] }
        let buffer = UInt16(truncatingIfNeeded: result >> 16)
        let source = UnsafeRawBufferPointer(start: address(of: buffer), count: length)
        let bytes = [UInt8](source)
        provide(buffer)
        return bytes
    }

    private func address(of buffer: UInt16) -> UnsafeMutableRawPointer {
        buffers + Int(buffer) * UringLoop.bufferSize
    }

    private func provide(_ buffer: UInt16) {
        io_uring_buf_ring_add(
            bufferRing, address(of: buffer), UInt32(UringLoop.bufferSize), buffer,
            Int32(UringLoop.bufferCount - 1), 0)
        io_uring_buf_ring_advance(bufferRing, 1)
    }

    override func send(_ socket: Int32, _ bytes: [UInt8], deadline: Instant?) async throws(RingError) {
        guard !bytes.isEmpty else { return }
        // The storage of an array that nobody changes stays where it is as long as somebody holds it, and `bytes` is held
        // until the last completion has come.
        defer { withExtendedLifetime(bytes) {} }
        guard let start = bytes.withUnsafeBytes({ $0.baseAddress }) else { return }
        var sent = 0
        while sent < bytes.count {
            let rest = start + sent
            let count = bytes.count - sent
            let result = await suspend(on: socket, until: deadline) { token in
                let entry = nextEntry()
                let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_WAITALL)
                io_uring_prep_send(entry, socket, rest, count, flags)
                self.start(token, entry)
            }
            guard result >= 0 else { throw Outcome.error(result, "send") }
            sent += Int(result)
        }
    }
}
