/// Whose word about the log is asked for.
public enum RaftScope: UInt64, Hashable, Sendable {
    /// All members, as the leader knows them.
    case mesh = 1
    /// All members, of the leader itself: it asks nobody to lead it there.
    case leader = 2
    /// The asked node alone.
    case node = 3
}
