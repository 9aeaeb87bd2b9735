/// What a message is, which decides what goes first when the connection is busy.
public enum TrafficClass: UInt8, Hashable, Sendable, CaseIterable {
    /// Gossip, heartbeats, votes, leases, requests.
    case control = 0
    /// Raft appends and log lines.
    case log = 1
    /// Files and snapshots.
    case bulk = 2

    /// Bytes a class may send in one round while the others wait too (deficit round robin, Shreedhar and Varghese 1995).
    var quantumBytes: Int {
        switch self {
        case .control: 262_144
        case .log: 131_072
        case .bulk: 65_536
        }
    }
}
