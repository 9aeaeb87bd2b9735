/// How much of a leader's snapshot is in its file.
public enum RaftSnapshotArrival: Hashable, Sendable {
    /// The piece at this offset comes next.
    case partly(nextOffset: UInt64)
    /// It is whole, checked and durable.
    case whole
}
