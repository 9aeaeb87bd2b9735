/// The newest membership events, numbered from 1, for consumers that read at their own pace.
///
/// It keeps `capacity` of them. A consumer remembers the number of the last event that it read; one that lags behind what
/// is kept is told how many it has missed, and then asks for the members as they are.
public struct MembershipLog: Sendable {
    /// What a consumer gets at once.
    public struct Reading: Hashable, Sendable {
        /// So many events came and went before the first of these.
        public var missed: UInt64
        public var events: [MembershipEvent]
        /// Read on from here: the number of the last event of this reading, or of what was missed.
        public var last: UInt64
    }

    public let capacity: Int
    /// The number of the newest event; 0 before the first. A consumer that starts now reads on from here.
    public private(set) var last: UInt64 = 0
    /// A ring: event n stands at (n - 1) modulo capacity.
    private var ring: [MembershipEvent] = []

    public init(capacity: Int = SwimConstants.eventsKept) {
        precondition(capacity > 0, "a log that keeps nothing")
        self.capacity = capacity
    }

    public mutating func add(_ event: MembershipEvent) {
        if ring.count < capacity { ring.append(event) } else { ring[Int(last % UInt64(capacity))] = event }
        last += 1
    }

    /// What came after the event of this number, oldest first, at most `countMax` events.
    ///
    /// A number that was never given, as of a daemon before its restart, reads as if everything had been missed.
    public func read(after number: UInt64, countMax: Int = .max) -> Reading {
        let oldest = last - UInt64(ring.count)
        let from = number > last ? oldest : max(number, oldest)
        let count = min(Int(last - from), max(countMax, 0))
        let events = (0..<count).map { ring[Int((from + UInt64($0)) % UInt64(capacity))] }
        let missed = number > last ? from : from - number
        return Reading(missed: missed, events: events, last: from + UInt64(count))
    }
}
