/// Reads on their way to being confirmed (thesis, section 6.4).
///
/// Each heartbeat round has a number that is never used again in its term, so an answer to an earlier round, however late
/// or often it arrives, cannot confirm a read that came after it (etcd#20418).
struct ReadQueue: Sendable {
    struct Batch: Sendable {
        var round: UInt64
        var index: UInt64
        var requests: [UInt64]
    }

    /// Number of the last round sent.
    var round: UInt64 = 0
    /// Reads that no round stands for yet.
    var waiting: [UInt64] = []
    /// Reads whose round is on its way, oldest first.
    var batches: [Batch] = []
    /// Reads in `waiting` and `batches`.
    var count = 0

    /// More rounds than this are not under way at once: later reads wait and share the next one.
    static let maximumRounds = 2
}
