import Codec

/// A snapshot on its way to one member, as the leader sees it. `0 <= acknowledged <= next <= byteCount`.
///
/// The follower says which piece it wants next, so a transfer goes on where it stopped, also with another leader that
/// has the same snapshot. Pieces are sent ahead in a window that grows with each answer and falls to one piece when an
/// answer is overdue; what overdue means follows the answers' own time, as in TCP (RFC 6298), so that a slow link is not
/// sent everything twice.
struct SnapshotTransfer: Sendable {
    let snapshot: RaftSnapshot
    /// The follower has everything before it.
    private(set) var acknowledged: UInt64 = 0
    /// The first piece that has not been asked to be sent.
    private(set) var next: UInt64 = 0
    /// How long nothing may move before the pieces are sent again.
    private(set) var patience: Interval
    /// Pieces that may be on their way.
    private var window = 1
    /// Nothing has been sent since the transfer began or was found to be stuck.
    private var isFresh = true
    /// Answers in a row that wanted the same piece although others were sent after it.
    private var repeats = 0
    /// A piece whose answer is timed: where it ends, and when it left.
    private var timed: (end: UInt64, sentAt: Instant)?

    private static let patienceMaximum = Interval.seconds(10)
    /// So many answers for the same piece mean that it was lost and not merely overtaken (RFC 5681).
    private static let repeatsMaximum = 3

    init(_ snapshot: RaftSnapshot, patience: Interval) {
        self.snapshot = snapshot
        self.patience = patience
    }

    /// Where the next piece starts that may be sent now; nil where the answer to others must come first.
    mutating func takeNext(pieceBytes: Int, windowMaximum: Int, at now: Instant) -> UInt64? {
        let ahead = UInt64(min(window, windowMaximum) * pieceBytes)
        // The last question has no bytes: has all of it arrived, and been found whole?
        guard isFresh || (next < snapshot.byteCount && next < acknowledged + ahead) else { return nil }
        isFresh = false
        let start = next
        next = min(next + UInt64(pieceBytes), snapshot.byteCount)
        if timed == nil { timed = (next, now) }
        return start
    }

    /// The follower wants the piece at `offset`; true where this is news.
    mutating func answered(_ offset: UInt64, at now: Instant, patienceMinimum: Interval) -> Bool {
        let offset = min(offset, snapshot.byteCount)
        if offset == acknowledged {
            repeats += next > acknowledged ? 1 : 0
            if repeats == Self.repeatsMaximum { restart() }
            return false
        }
        repeats = 0
        if offset < acknowledged {
            // It has lost what it had.
            acknowledged = offset
            restart()
            return true
        }
        if let (end, sentAt) = timed, offset >= end {
            patience = min(max((now - sentAt) * 4, patienceMinimum), Self.patienceMaximum)
            timed = nil
        }
        acknowledged = offset
        next = max(next, offset)
        window += 1
        return true
    }

    /// Something was lost: sends again from what is known.
    mutating func restart() {
        next = acknowledged
        window = 1
        isFresh = true
        timed = nil
    }

    /// An answer is overdue: sends again, and waits longer the next time.
    mutating func retry() {
        restart()
        patience = min(patience * 2, Self.patienceMaximum)
    }
}
