import Codec

/// Linearizable reads through ReadIndex (thesis, section 6.4).
extension RaftCore {
    mutating func read(_ request: UInt64) {
        guard role == .leader else { return effects.append(.rejected(id: request, .notLeader(leader: leader))) }
        guard reads.count < configuration.maximumQueuedReads else {
            return effects.append(.rejected(id: request, .tooManyReads(limit: configuration.maximumQueuedReads)))
        }
        reads.waiting.append(request)
        reads.count += 1
    }

    /// Starts a round for the reads that wait for one, once the term's first commit makes the commit index trustworthy.
    mutating func startReadRound() {
        guard role == .leader, !reads.waiting.isEmpty else { return }
        guard isReadyLeader || has(.readBeforeFirstCommit) else { return }
        if hasLease {
            // Nobody else can lead yet, so nothing that others have decided is missing here.
            for request in reads.waiting { answers.append(.readReady(id: request, index: commitIndex)) }
            reads.count -= reads.waiting.count
            reads.waiting = []
            return
        }
        guard reads.batches.count < ReadQueue.maximumRounds else { return }
        if has(.readWithReusedRound) {
            reads.reuseRounds()
            for position in peers.indices { peers[position].round = 0 }
        }
        sendHeartbeats(toAll: configuration.heartbeatsPerLearnerHeartbeat == 1)
        awaitRound()
    }

    /// Reads that were asked for before a regular heartbeat need no round of their own.
    mutating func joinRound() {
        guard isReadyLeader, !reads.waiting.isEmpty, !hasLease, reads.batches.count < ReadQueue.maximumRounds
        else { return }
        awaitRound()
    }

    /// The reads that wait are confirmed by the round that has just begun.
    private mutating func awaitRound() {
        reads.batches.append(
            ReadQueue.Batch(round: reads.round, index: commitIndex, requests: reads.waiting))
        reads.waiting = []
    }

    /// True while a majority of the voters has promised this leader not to elect another one.
    private var hasLease: Bool {
        guard configuration.readsFromLease, reads.mayUseLease else { return false }
        let promised = quorumReached(own: now, unlimited: now, stranger: .zero) { $0[$1].roundSentAt ?? .zero }
        return promised > .zero && now - promised < configuration.leaseDuration
    }

    /// Answers the reads whose round a quorum has answered.
    mutating func answerReads() {
        guard role == .leader, !reads.batches.isEmpty else { return }
        let confirmed = quorumReached(own: reads.round, unlimited: reads.round, stranger: 0) { $0[$1].round }
        while let batch = reads.batches.first, batch.round <= confirmed || has(.readWithoutRound) {
            reads.batches.removeFirst()
            reads.count -= batch.requests.count
            for request in batch.requests { answers.append(.readReady(id: request, index: batch.index)) }
        }
    }

    mutating func failReads() {
        for request in reads.batches.flatMap(\.requests) + reads.waiting {
            effects.append(.rejected(id: request, .leadershipLost(leader: leader)))
        }
        reads = ReadQueue()
    }
}
