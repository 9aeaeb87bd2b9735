import Scheduler

/// Request ids of a node's own entries: the random bits of this start of the daemon and a counter.
struct RequestIDSource: Sendable {
    private let boot: UInt64
    private var count: UInt64 = 0

    init(boot: UInt64) { self.boot = boot }

    mutating func next() -> RequestID {
        count += 1
        return RequestID(high: boot, low: count)
    }
}
