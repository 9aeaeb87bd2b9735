import Codec

/// What one simulated mesh goes through.
public struct MeshSettings: Sendable {
    public var nodes: Int
    /// How long faults happen.
    public var chaos = Interval.seconds(30)
    /// How long everything may take to come to rest after the last fault.
    public var rest = Interval.seconds(300)
    public var jobs = 14
    /// Tokens of one use, each shown for two jobs, each of them asked for by two clients that know nothing of each other.
    public var tokens = 0
    /// Clocks run fast or slow by up to this many parts per million.
    public var driftMax: Int64 = 10_000
    /// Entries between two snapshots.
    public var snapshotEntries = 150

    public init(nodes: Int = 3) { self.nodes = nodes }
}
