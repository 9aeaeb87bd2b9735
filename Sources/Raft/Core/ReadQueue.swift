import Codec

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
    private(set) var round: UInt64 = 0
    /// When the newest rounds were sent, the last of them last. Answers to older ones extend no lease.
    private var sentAt: [Instant] = []
    /// False once the leader has asked somebody to take over: voters keep no promise against that.
    var mayUseLease = true
    /// Reads that no round stands for yet.
    var waiting: [UInt64] = []
    /// Reads whose round is on its way, oldest first.
    var batches: [Batch] = []
    /// Reads in `waiting` and `batches`.
    var count = 0

    /// Numbers a new round.
    mutating func startRound(at now: Instant) {
        round += 1
        sentAt.append(now)
        if sentAt.count > Self.rememberedRounds { sentAt.removeFirst() }
    }

    /// Only for `readWithReusedRound`.
    mutating func reuseRounds() {
        round = 0
        sentAt = []
    }

    /// When a round was sent; nil for one that is too long ago or never was.
    func sendTime(of answered: UInt64) -> Instant? {
        guard answered <= round, round - answered < UInt64(sentAt.count) else { return nil }
        return sentAt[sentAt.count - 1 - Int(round - answered)]
    }

    private static let rememberedRounds = 16
    /// More rounds than this are not under way at once: later reads wait and share the next one.
    static let maximumRounds = 2
}
