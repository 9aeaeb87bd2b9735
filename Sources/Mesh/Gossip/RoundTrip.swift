import Codec

/// How long a member takes to answer, as RFC 6298 estimates it for TCP; in 4 bytes, since every member has one.
public struct RoundTrip: Hashable, Sendable {
    /// In steps of 16 us, up to a second.
    private var meanSteps: UInt16
    private var deviationSteps: UInt16

    private static let step = Interval(nanoseconds: 16_000)
    private static func steps(_ interval: Interval) -> UInt16 {
        UInt16(clamping: (interval.nanoseconds + step.nanoseconds / 2) / step.nanoseconds)
    }

    init(first sample: Interval) {
        meanSteps = Self.steps(sample)
        deviationSteps = Self.steps(sample / 2)
    }

    public var mean: Interval { Self.step * Int64(meanSteps) }
    /// Mean deviation from the mean.
    public var deviation: Interval { Self.step * Int64(deviationSteps) }

    mutating func add(_ sample: Interval) {
        let distance = sample > mean ? sample - mean : mean - sample
        deviationSteps = Self.steps((deviation * 3 + distance) / 4)
        meanSteps = Self.steps((mean * 7 + sample) / 8)
    }

    /// An answer that has not come by then is late.
    var patience: Interval { mean + deviation * 4 }
}
