import Codec
import Raft

/// Time in the log is the leader's: whoever leads compares its wall clock with those of the other voters, and tells each
/// node how far its own is off.
extension NodeCore {
    func wallClock(at now: Instant) -> Int64 { now.nanoseconds + (wallClockOffset ?? 0) }

    /// The wall clock of another node, as it said.
    mutating func clockShows(_ time: Int64, at node: NodeID, now: Instant) {
        guard raft.role == .leader, wallClockOffset != nil else { return }
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

    /// The wall clock of this node, as the shell has just read it.
    mutating func setWallClock(_ time: Int64, now: Instant) {
        let offset = time - now.nanoseconds
        let moved = offset.subtractingReportingOverflow(wallClockOffset ?? offset)
        // What the leader says of how it was before says nothing of how it is now, nor what others were ahead of it.
        if moved.overflow || moved.partialValue.magnitude > NodeConstants.clockStep.nanoseconds.magnitude {
            clockSetAt = lease.sequence
            clocks = ClockWatch()
        }
        wallClockOffset = offset
    }

    /// With a grant the leader says how far this clock was ahead of the middle of the voters' when it was asked for.
    mutating func clockCompared(ahead: Int64?, sequence: UInt64, now: Instant) {
        guard let ahead, ahead.magnitude <= 2 * ClockWatch.farthest.magnitude, sequence > clockSetAt,
            let wallClockOffset
        else { return }
        meshClock = MeshClock(offset: wallClockOffset - ahead, heardAt: now)
    }

    /// How far a clock that shows this now is ahead of the middle of the voters', in nanoseconds; nil where nobody can tell:
    /// fewer than three voters are heard, or no leader.
    public func clockAhead(of wallClock: Int64, at now: Instant) -> Int64? {
        guard let meshClock, now - meshClock.heardAt < NodeConstants.clockMemory else { return nil }
        let (ahead, overflow) = wallClock.subtractingReportingOverflow(now.nanoseconds + meshClock.offset)
        return overflow ? .max : max(ahead, -.max)
    }
}

/// The middle of the voters' wall clocks, as the leader last said.
struct MeshClock: Sendable {
    /// To be added to this node's own instants.
    var offset: Int64
    var heardAt: Instant
}
