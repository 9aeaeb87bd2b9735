import Codec
import Raft
import Scheduler

/// Linearizable reads of the replicated state.
extension NodeCore {
    /// Asks the leader up to where the log is decided: once for all reads that came since the last time.
    mutating func askReads(at now: Instant, into effects: inout [NodeEffect]) {
        guard let leader = raft.leader, let sequence = reads.takeDue(now: now) else { return }
        if leader == id {
            read(sequence, for: id, into: &effects)
        } else {
            effects.append(.send(leader, .read(sequence: sequence)))
        }
    }

    /// Has Raft confirm up to where the log is decided, for `node`.
    mutating func read(_ sequence: UInt64, for node: NodeID, into effects: inout [NodeEffect]) {
        guard raft.role == .leader, state.isMember(node) else { return }
        let request = takeRaftRequest()
        let reader = ReadService.Reader(node: node, sequence: sequence)
        if faults.contains(.readWithoutConfirmation) {
            return answer(reader, index: raft.commitIndex, into: &effects)
        }
        readService.asked(request, by: reader)
        raftInputs.append(.read(id: request))
    }

    /// Tells who asked.
    mutating func answer(_ reader: ReadService.Reader, index: UInt64, into effects: inout [NodeEffect]) {
        if reader.node == id {
            reads.answered(reader.sequence, index: index)
        } else {
            effects.append(.send(reader.node, .readable(sequence: reader.sequence, index: index)))
        }
    }
}
