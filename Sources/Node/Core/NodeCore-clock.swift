import Codec
import Raft

/// Time in the log is the leader's: whoever leads compares its wall clock with those of the other voters.
extension NodeCore {
    func wallClock(at now: Instant) -> Int64 { now.nanoseconds + (wallClockOffset ?? 0) }

    /// The wall clock of another node, as it said.
    mutating func clockShows(_ time: Int64, at node: NodeID, now: Instant) {
        guard raft.role == .leader, wallClockOffset != nil, raft.membership.voters.contains(node) else { return }
        let (ahead, isBeyond) = time.subtractingReportingOverflow(wallClock(at: now))
        if !isBeyond { clocks.heard(node, ahead: ahead, now: now) }
    }

    /// Hands the leadership over where this clock is far off and another voter's is not.
    mutating func compareClocks(at now: Instant) {
        guard raft.transferTarget == nil, !raft.isChangingMembership else { return }
        let successor = clocks.successor(of: id, among: raft.membership.voters, now: now) { voter in
            state.node(voter)?.standsDown == false
                && raft.progress.contains { $0.id == voter && $0.hasCaughtUp }
        }
        if let successor { raftInputs.append(.transfer(to: successor)) }
    }
}
