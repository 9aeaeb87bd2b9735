import Codec

/// Taking snapshots, letting the log before them go, sending and receiving them (Raft, section 7).
///
/// The bytes are the shell's: the core says which piece goes where and hears what has become of it.
extension RaftCore {
    // MARK: Taking

    /// What a snapshot taken now stands for.
    public var snapshotPlan: RaftSnapshotPlan {
        RaftSnapshotPlan(
            index: appliedIndex, term: log.term(at: appliedIndex) ?? 0,
            membership: memberships.membership(at: appliedIndex))
    }

    /// Asks for a snapshot when the log has grown long, or when the one that there is cannot be read.
    mutating func wantSnapshot() {
        guard !isSnapshotWanted, now >= nextSnapshotAt, isSnapshotBroken || appliedIndex > log.snapshotIndex else {
            return
        }
        guard isSnapshotBroken || isLogLong(times: 1) && (!isSendingSnapshot || isLogLong(times: 4)) else { return }
        isSnapshotWanted = true
        answers.append(.snapshotWanted(snapshotPlan))
    }

    private func isLogLong(times factor: Int) -> Bool {
        log.weightAfterSnapshot > configuration.snapshotThresholdBytes * factor
            || log.lastIndex - log.snapshotIndex > UInt64(configuration.snapshotThresholdEntries * factor)
    }

    /// A new snapshot would make a follower start anew that is being sent the one before, and again with the next: so
    /// long as its transfer moves, the log may grow some more.
    private var isSendingSnapshot: Bool {
        peers.contains { peer in
            guard case .snapshot = peer.phase else { return false }
            return now - peer.movedAt < configuration.electionTimeoutMaximum * 4
        }
    }

    mutating func snapshotTaken(_ snapshot: RaftSnapshot) {
        isSnapshotWanted = false
        let isNeeded =
            snapshot.index > log.snapshotIndex || (isSnapshotBroken && snapshot.index == log.snapshotIndex)
        guard isNeeded, log.term(at: snapshot.index) == snapshot.term else { return }
        precondition(snapshot.index <= appliedIndex, "a snapshot of entries that were not applied")
        let trailing = UInt64(configuration.trailingEntries)
        let keptFrom = snapshot.index > trailing ? snapshot.index - trailing : 0
        keep(snapshot, compactingThrough: max(log.baseIndex, keptFrom))
        isSnapshotBroken = false
        if snapshotToWrite == nil { snapshotToWrite = .taken }
        // The file of the one before goes away.
        for position in peers.indices {
            if case .snapshot = peers[position].phase {
                peers[position].startSnapshot(
                    snapshot, patience: configuration.electionTimeoutMinimum, at: now)
            }
        }
    }

    mutating func snapshotFailed() {
        isSnapshotWanted = false
        nextSnapshotAt = now + configuration.snapshotFailurePause
    }

    mutating func snapshotBroken(_ index: UInt64) {
        if index == log.snapshotIndex { isSnapshotBroken = true }
    }

    mutating func compact() {
        guard log.baseIndex < log.snapshotIndex else { return }
        compactLog()
        // The disk follows with the snapshot that it already has.
        if snapshotToWrite == nil { snapshotToWrite = .taken }
    }

    // MARK: Sending

    mutating func sendPieces(to position: Int) {
        guard !isSnapshotBroken else { return }
        while let (snapshot, offset) = peers[position].takeSnapshotPiece(in: configuration, at: now) {
            let byteCount = min(UInt64(configuration.snapshotPieceBytes), snapshot.byteCount - offset)
            if trace != nil {
                // Without its bytes, which the shell puts in.
                let piece = RaftSnapshotPiece(snapshot: snapshot, offset: offset, data: [], digest: .zero)
                noteSent(.snapshot(RaftMessage.Snapshot(term: term, piece: piece)), to: peers[position].id)
            }
            answers.append(
                .sendSnapshot(
                    to: peers[position].id, term: term, snapshot, offset: offset, byteCount: Int(byteCount)))
        }
    }

    mutating func snapshotAnswered(_ response: RaftMessage.SnapshotResponse, by sender: NodeID) {
        guard role == .leader, let position = position(of: sender) else { return }
        peers[position].heardAt = now
        peers[position].snapshotAnswered(
            index: response.index, nextOffset: response.nextOffset,
            patienceMinimum: configuration.heartbeatInterval, at: now)
    }

    // MARK: Receiving

    mutating func snapshotReceived(_ piece: RaftSnapshotPiece, from sender: NodeID) {
        guard follow(sender) else { return }
        let snapshot = piece.snapshot
        guard snapshot.index > commitIndex else {
            // Everything in it is known here; saying so ends the transfer.
            return acceptSnapshot(through: commitIndex)
        }
        guard log.term(at: snapshot.index) != snapshot.term else {
            // The log already holds all that the snapshot stands for: it only tells what is committed.
            commitIndex = snapshot.index
            return acceptSnapshot(through: snapshot.index)
        }
        guard snapshot.byteCount <= UInt64(configuration.maximumSnapshotBytes) else { return }
        answers.append(.storeSnapshot(piece))
    }

    mutating func snapshotStored(_ snapshot: RaftSnapshot, nextOffset: UInt64) {
        guard role == .follower, let leader, snapshot.index > commitIndex else { return }
        let response = RaftMessage.SnapshotResponse(term: term, index: snapshot.index, nextOffset: nextOffset)
        send(.snapshotResponse(response), to: leader)
    }

    /// What a snapshot stands for is committed, whoever sent it and whoever leads by now.
    mutating func snapshotArrived(_ snapshot: RaftSnapshot) {
        guard role == .follower else { return }
        if snapshot.index > commitIndex { install(snapshot) }
        acceptSnapshot(through: max(snapshot.index, commitIndex))
    }

    private mutating func acceptSnapshot(through index: UInt64) {
        guard let leader else { return }
        let response = RaftMessage.AppendResponse(
            term: term, previousIndex: index, outcome: .accepted(matchIndex: index))
        repairIfComplete(through: index)
        send(.appendResponse(response), to: leader)
    }

    private mutating func install(_ snapshot: RaftSnapshot) {
        if log.term(at: snapshot.index) == snapshot.term {
            commitIndex = snapshot.index
            return
        }
        replaceLog(by: snapshot)
        snapshotToWrite = .installed
        commitIndex = snapshot.index
        appliedIndex = snapshot.index
        restoredSnapshot = snapshot
        isSnapshotWanted = false
        isSnapshotBroken = false
    }
}
