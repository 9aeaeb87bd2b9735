/// A number that stands for everything that happened in a run, to show that a seed always tells the same story.
public struct TraceDigest: Hashable, Sendable {
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    /// Goes on from a digest that was kept.
    public init(value: UInt64) { self.value = value }

    /// Adds one fact (multiply and rotate, after Fibonacci hashing).
    public mutating func add(_ fact: UInt64) {
        value = (value ^ fact) &* 0x9E37_79B9_7F4A_7C15
        value = value << 29 | value >> 35
    }

    public mutating func add(_ fact: Int64) { add(UInt64(bitPattern: fact)) }
    public mutating func add(_ fact: Int) { add(UInt64(bitPattern: Int64(fact))) }
}
