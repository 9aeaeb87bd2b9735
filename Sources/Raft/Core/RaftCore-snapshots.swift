import Codec

/// Taking snapshots, letting the log before them go, and receiving them (Raft, section 7).
extension RaftCore {
    /// A snapshot on its way in.
    struct IncomingSnapshot: Sendable {
        var index: UInt64
        var term: UInt64
        var totalBytes: UInt64
        var data: [UInt8]
    }

    mutating func snapshotTaken(_ index: UInt64, _ data: [UInt8]) {
        isSnapshotWanted = false
        guard index > log.snapshotIndex, let term = log.term(at: index) else { return }
        precondition(index <= appliedIndex, "a snapshot of entries that were not applied")
        let snapshot = RaftSnapshot(
            index: index, term: term, membership: memberships.membership(at: index), data: data)
        let trailing = UInt64(configuration.trailingEntries)
        log.keep(snapshot, compactingThrough: max(log.baseIndex, index > trailing ? index - trailing : 0))
        memberships.compact(through: index, keepingFirst: has(.forgetCompactedMembership))
        if snapshotToWrite == nil { snapshotToWrite = .taken }
    }

    mutating func compact() {
        guard log.baseIndex < log.snapshotIndex else { return }
        log.compact(through: log.snapshotIndex)
        // The disk follows with the snapshot that it already has.
        if snapshotToWrite == nil { snapshotToWrite = .taken }
    }

    /// Asks for a snapshot when the log has grown long.
    mutating func wantSnapshot() {
        guard !isSnapshotWanted, appliedIndex > log.snapshotIndex else { return }
        let isLong =
            log.weightAfterSnapshot > configuration.snapshotThresholdBytes
            || log.lastIndex - log.snapshotIndex > UInt64(configuration.snapshotThresholdEntries)
        guard isLong else { return }
        isSnapshotWanted = true
        effects.append(.snapshotWanted(index: appliedIndex))
    }

    mutating func snapshotReceived(_ chunk: RaftMessage.SnapshotChunk, from sender: NodeID) {
        guard follow(sender) else { return }
        guard chunk.index > commitIndex else {
            // Everything in it is known here; saying so ends the transfer.
            return acceptSnapshot(through: commitIndex, from: sender)
        }
        guard chunk.totalBytes <= UInt64(configuration.maximumSnapshotBytes) else { return }
        var incoming: IncomingSnapshot
        if let known = incomingSnapshot, known.index == chunk.index, known.term == chunk.snapshotTerm,
            known.totalBytes == chunk.totalBytes
        {
            incoming = known
        } else {
            incoming = IncomingSnapshot(
                index: chunk.index, term: chunk.snapshotTerm, totalBytes: chunk.totalBytes, data: [])
        }
        incomingSnapshot = nil
        if chunk.offset == UInt64(incoming.data.count) { incoming.data += chunk.data }
        guard UInt64(incoming.data.count) == incoming.totalBytes else {
            let response = RaftMessage.SnapshotResponse(
                term: term, index: chunk.index, nextOffset: UInt64(incoming.data.count))
            incomingSnapshot = incoming
            return send(.snapshotResponse(response), to: sender)
        }
        install(
            RaftSnapshot(
                index: chunk.index, term: chunk.snapshotTerm, membership: chunk.membership, data: incoming.data))
        acceptSnapshot(through: chunk.index, from: sender)
    }

    private mutating func acceptSnapshot(through index: UInt64, from sender: NodeID) {
        let response = RaftMessage.AppendResponse(
            term: term, previousIndex: index, outcome: .accepted(matchIndex: index))
        repairIfComplete(through: index)
        send(.appendResponse(response), to: sender)
    }

    private mutating func install(_ snapshot: RaftSnapshot) {
        if log.term(at: snapshot.index) == snapshot.term {
            // The log already holds all that the snapshot stands for: it only tells what is committed.
            commitIndex = snapshot.index
            return
        }
        let tail = has(.keepLogBesideSnapshot) ? log.entries.filter { $0.index > snapshot.index } : []
        log.install(snapshot, keeping: tail)
        if !has(.keepMembershipAtInstall) { memberships.install(snapshot) }
        disk.installed(through: snapshot.index)
        snapshotToWrite = .installed
        commitIndex = snapshot.index
        appliedIndex = snapshot.index
        restoredSnapshot = snapshot
        isSnapshotWanted = false
    }
}
