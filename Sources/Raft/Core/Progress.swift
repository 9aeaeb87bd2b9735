import Codec

/// What a leader knows about one other member. `0 <= match < next`, and `next <= last + 1` of the leader's log.
struct Progress: Sendable {
    enum Phase: Sendable {
        /// The place where the logs part is not known: one append at a time. `isWaiting` while it is not answered.
        case probe(isWaiting: Bool)
        /// Appends are sent ahead.
        case replicate
        /// The snapshot is sent, piece by piece; nothing else is.
        case snapshot(SnapshotTransfer)
    }

    /// One append on its way.
    private struct Inflight: Sendable {
        var lastIndex: UInt64
        var weight: Int
    }

    let id: NodeID
    private(set) var match: UInt64 = 0
    private(set) var next: UInt64
    private(set) var phase = Phase.probe(isWaiting: false)
    private var inflight: [Inflight] = []
    private var inflightWeight = 0
    /// The commit index that the member has last been told.
    var sentCommit: UInt64 = 0
    /// The newest heartbeat round that it has answered in this term.
    var round: UInt64 = 0
    /// When that round was sent; nothing for rounds that nobody remembers.
    var roundSentAt: Instant?
    var heardAt: Instant
    /// When `match` or the snapshot last moved.
    var movedAt: Instant
    /// An empty append must go out to learn whether anything was lost.
    var needsProbe = false

    init(id: NodeID, next: UInt64, now: Instant) {
        self.id = id
        self.next = next
        heardAt = now
        movedAt = now
    }

    /// Nothing is on its way to it, and nothing has to be.
    func hasEverything(in log: LogView, _ commitIndex: UInt64) -> Bool {
        guard case .replicate = phase else { return false }
        return match == log.lastIndex && sentCommit == commitIndex
    }

    func hasRoom(in configuration: RaftConfiguration) -> Bool {
        inflight.count < configuration.maximumInflightAppends && inflightWeight < configuration.maximumInflightBytes
    }

    /// Bytes that may go out beside those on their way. An append with more than that has a single entry.
    func room(in configuration: RaftConfiguration) -> Int { configuration.maximumInflightBytes - inflightWeight }

    /// Notes that entries up to `lastIndex` are on their way.
    mutating func sent(through lastIndex: UInt64, weight: Int) {
        next = lastIndex + 1
        inflight.append(Inflight(lastIndex: lastIndex, weight: weight))
        inflightWeight += weight
    }

    mutating func probeSent() { phase = .probe(isWaiting: true) }

    /// The member holds everything up to `index`.
    mutating func accepted(_ index: UInt64, at now: Instant) {
        if index > match {
            match = index
            movedAt = now
        }
        next = max(next, match + 1)
        var acknowledged = 0
        while acknowledged < inflight.count, inflight[acknowledged].lastIndex <= match {
            inflightWeight -= inflight[acknowledged].weight
            acknowledged += 1
        }
        if acknowledged == inflight.count {
            inflight.removeAll(keepingCapacity: true)
        } else if acknowledged > 0 {
            inflight.removeFirst(acknowledged)
        }
        switch phase {
        case .probe: become(.replicate)
        case .snapshot(let transfer) where index >= transfer.snapshot.index: become(.replicate)
        case .replicate, .snapshot: break
        }
    }

    /// The member's log differs at `index`; false for an answer to something long past.
    mutating func rejected(at index: UInt64, retryFrom hint: UInt64) -> Bool {
        switch phase {
        case .replicate:
            guard index > match, index < next else { return false }
            become(.probe(isWaiting: false))
            return true
        case .probe:
            guard index == next - 1 else { return false }
            next = max(min(index, hint + 1), match + 1)
            phase = .probe(isWaiting: false)
            return true
        case .snapshot:
            return false
        }
    }

    /// Something may have been lost: start again from what is known.
    mutating func lostContact() {
        switch phase {
        case .probe: phase = .probe(isWaiting: false)
        case .replicate: become(.probe(isWaiting: false))
        case .snapshot(var transfer):
            transfer.restart()
            phase = .snapshot(transfer)
        }
    }

    mutating func resumeProbe() {
        if case .probe = phase { phase = .probe(isWaiting: false) }
    }

    mutating func startSnapshot(_ snapshot: RaftSnapshot, patience: Interval, at now: Instant) {
        become(.snapshot(SnapshotTransfer(snapshot, patience: patience)))
        movedAt = now
    }

    /// Sends again what has not been answered for long.
    mutating func retrySnapshot(at now: Instant) {
        guard case .snapshot(var transfer) = phase, now - movedAt > transfer.patience else { return }
        transfer.retry()
        phase = .snapshot(transfer)
        movedAt = now
    }

    /// The piece that may be sent now.
    mutating func takeSnapshotPiece(in configuration: RaftConfiguration, at now: Instant) -> (
        snapshot: RaftSnapshot, offset: UInt64
    )? {
        guard case .snapshot(var transfer) = phase,
            let offset = transfer.takeNext(
                pieceBytes: configuration.snapshotPieceBytes, windowMaximum: configuration.maximumInflightPieces,
                at: now)
        else { return nil }
        phase = .snapshot(transfer)
        return (transfer.snapshot, offset)
    }

    mutating func snapshotAnswered(
        index: UInt64, nextOffset: UInt64, patienceMinimum: Interval, at now: Instant
    ) {
        guard case .snapshot(var transfer) = phase, transfer.snapshot.index == index else { return }
        if transfer.answered(nextOffset, at: now, patienceMinimum: patienceMinimum) { movedAt = now }
        phase = .snapshot(transfer)
    }

    /// The first rule that does not hold, as a sentence; nil when all do.
    func brokenInvariant(lastIndex: UInt64, in configuration: RaftConfiguration) -> String? {
        guard match < next, next <= lastIndex + 1 else { return "match \(match), next \(next), last \(lastIndex)" }
        guard inflight.count <= configuration.maximumInflightAppends else {
            return "\(inflight.count) appends on their way"
        }
        guard inflightWeight == inflight.reduce(0, { $0 + $1.weight }) else {
            return "bytes on their way are miscounted"
        }
        guard let newest = inflight.last else { return nil }
        guard inflightWeight - newest.weight < configuration.maximumInflightBytes else {
            return "\(inflightWeight) bytes on their way"
        }
        var before = match
        for append in inflight {
            guard append.lastIndex > before, append.lastIndex < next else { return "appends out of order on their way" }
            before = append.lastIndex
        }
        return nil
    }

    private mutating func become(_ new: Phase) {
        phase = new
        inflight.removeAll(keepingCapacity: true)
        inflightWeight = 0
        next = match + 1
    }

    var publicPhase: RaftPeerProgress.Phase {
        switch phase {
        case .probe: .probe
        case .replicate: .replicate
        case .snapshot: .snapshot
        }
    }
}
