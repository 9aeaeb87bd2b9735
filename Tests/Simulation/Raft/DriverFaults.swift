/// Mistakes of what surrounds a core: the driver, the disk and the state machine. What `RaftFaults` is to the core itself.
struct DriverFaults: OptionSet, Hashable, Sendable {
    let rawValue: UInt32

    /// Writes are reported as durable when they were handed to the disk, so that votes and acknowledgements leave before it
    /// holds them (robustmq#2039, ahnlich#387: a database that writes without sync).
    static let confirmsBeforeDurable = DriverFaults(rawValue: 1 << 0)
    /// State and applied index are stored one after the other (etcd#13766).
    static let appliedIndexApart = DriverFaults(rawValue: 1 << 1)
    /// Entries are applied from a cache that truncation does not empty (cockroach#36353).
    static let cacheKeepsTruncated = DriverFaults(rawValue: 1 << 2)
    /// A damaged log is cut at its first bad row, and the mark beside it is not asked (SQLite's and LogCabin's rule).
    static let damageCutSilently = DriverFaults(rawValue: 1 << 3)
    /// A crash loses term and vote but keeps the entries (etcd#14143: the hard state was not synced).
    static let hardStateUnsynced = DriverFaults(rawValue: 1 << 4)
    /// Snapshots do not carry the clients' sessions, so that a retry takes effect again (thesis, 6.3).
    static let snapshotWithoutSessions = DriverFaults(rawValue: 1 << 5)
}
