/// How a wait can end without a result from the kernel; below every negated errno.
enum Outcome {
    static let deadline: Int32 = -5001
    static let cancelled: Int32 = -5002
    static let closed: Int32 = -5003
    static let stopped: Int32 = -5004

    /// The error that a negative result stands for.
    static func error(_ result: Int32, _ call: String) -> RingError {
        switch result {
        case deadline: .deadline
        case cancelled: .cancelled
        case closed: .closed
        case stopped: .stopped
        default: .of(call, -result)
        }
    }
}

/// The suspended tasks of a loop, in reusable slots, and which of them wait on which descriptor.
///
/// A slot, not an object, stands for a wait: suspending a task allocates nothing once the table has grown.
struct WaitTable {
    struct Wait {
        var generation: UInt32 = 0
        var continuation: UnsafeContinuation<Int32, Never>?
        /// -1 when the wait is for no descriptor.
        var descriptor: Int32 = -1
        /// Poll events awaited (epoll), or 0.
        var interest: UInt32 = 0
        var timer: TimerToken?
        /// Set while the kernel still owns the operation: the task must not go on before its completion.
        var isInKernel = false
        /// Why the operation was cancelled, or 0.
        var reason: Int32 = 0
    }

    private(set) var slots: [Wait] = []
    private var free: [UInt32] = []
    private var byDescriptor: [[UInt32]] = []
    private(set) var count = 0

    mutating func add(_ continuation: UnsafeContinuation<Int32, Never>, token: WaitToken, descriptor: Int32) {
        let slot = Int(token.slot)
        slots[slot].continuation = continuation
        slots[slot].descriptor = descriptor
        count += 1
        guard descriptor >= 0 else { return }
        while byDescriptor.count <= Int(descriptor) { byDescriptor.append([]) }
        byDescriptor[Int(descriptor)].append(token.slot)
    }

    /// A token for a wait that is about to begin; it must be followed by `add`.
    mutating func reserve() -> WaitToken {
        if let slot = free.popLast() { return WaitToken(slot: slot, generation: slots[Int(slot)].generation) }
        slots.append(Wait())
        return WaitToken(slot: UInt32(slots.count - 1), generation: 0)
    }

    func isWaiting(_ token: WaitToken) -> Bool {
        Int(token.slot) < slots.count && slots[Int(token.slot)].generation == token.generation
            && slots[Int(token.slot)].continuation != nil
    }

    subscript(token: WaitToken) -> Wait {
        get { slots[Int(token.slot)] }
        _modify { yield &slots[Int(token.slot)] }
    }

    /// Takes a wait out; its slot can be used again at once.
    mutating func remove(_ token: WaitToken) -> Wait {
        let wait = slots[Int(token.slot)]
        var fresh = Wait()
        fresh.generation = wait.generation &+ 1
        slots[Int(token.slot)] = fresh
        free.append(token.slot)
        count -= 1
        if wait.descriptor >= 0 { byDescriptor[Int(wait.descriptor)].removeAll { $0 == token.slot } }
        return wait
    }

    /// The waits on a descriptor, oldest first.
    func tokens(on descriptor: Int32) -> [WaitToken] {
        guard descriptor >= 0, Int(descriptor) < byDescriptor.count else { return [] }
        return byDescriptor[Int(descriptor)].map { WaitToken(slot: $0, generation: slots[Int($0)].generation) }
    }

    /// The poll events that some task awaits on a descriptor.
    func interest(on descriptor: Int32) -> UInt32 {
        guard descriptor >= 0, Int(descriptor) < byDescriptor.count else { return 0 }
        return byDescriptor[Int(descriptor)].reduce(0) { $0 | slots[Int($1)].interest }
    }

    var all: [WaitToken] {
        slots.indices.filter { slots[$0].continuation != nil }
            .map { WaitToken(slot: UInt32($0), generation: slots[$0].generation) }
    }
}
