import Codec

/// What a host shows of its owner at one moment.
public struct OwnerSigns: Hashable, Sendable {
    /// Of the week, by the clock on the wall; Monday 00:00 is 0.
    public var minute: Int
    /// When keyboard, mouse or a terminal were last used; nil: not since they are watched.
    public var lastInput: Instant?
    /// Thousandths of a CPU that everything but jobs used since the last look; nil: not measured yet.
    public var cpuMillis: UInt64?
    /// What else keeps the host from being called free, in words; nil: nothing.
    public var objection: String?

    public init(minute: Int, lastInput: Instant? = nil, cpuMillis: UInt64? = nil, objection: String? = nil) {
        self.minute = minute
        self.lastInput = lastInput
        self.cpuMillis = cpuMillis
        self.objection = objection
    }
}
