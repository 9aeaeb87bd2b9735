import Codec

/// How long a member takes to answer, as RFC 6298 estimates it for TCP.
public struct RoundTrip: Hashable, Sendable {
    public private(set) var mean: Interval
    /// Mean deviation from the mean.
    public private(set) var deviation: Interval

    init(first sample: Interval) {
        mean = sample
        deviation = sample / 2
    }

    mutating func add(_ sample: Interval) {
        let distance = sample > mean ? sample - mean : mean - sample
        deviation = (deviation * 3 + distance) / 4
        mean = (mean * 7 + sample) / 8
    }

    /// An answer that has not come by then is late.
    var patience: Interval { mean + deviation * 4 }
}
