import Codec
import Mesh
import Raft
import Scheduler

/// What can happen to a node's core.
public enum NodeInput: Sendable {
    /// `nextDeadline` has passed.
    case timer
    /// A message from a member whose key the shell has checked.
    case message(from: NodeID, NodeMessage)
    /// A datagram from a member whose seal the shell has checked.
    case gossip(from: NodeID, SwimMessage)
    /// The session with this member is gone.
    case unreachable(NodeID)
    /// Everything up to this persist effect is durable.
    case persisted(UInt64)
    /// The log cannot be written any more: this node neither votes nor leads from here on.
    case logFailed(String)
    /// A snapshot asked for by an effect is durable in its file.
    case snapshotTaken(RaftSnapshot)
    /// It could not be written; the node goes on without.
    case snapshotFailed
    /// The file of this node's own snapshot is not what was written.
    case snapshotBroken(index: UInt64)
    /// So much of the leader's snapshot is in its file.
    case snapshotStored(RaftSnapshot, nextOffset: UInt64)
    /// The leader's snapshot is durable in its file, and this is its state.
    case snapshotArrived(RaftSnapshot, SchedulerState)
    /// A command of this node or its callers; its answer comes as an effect.
    case propose(Entry)
    /// The caller of this proposal waits no longer. It may still be carried out.
    case abandon(RequestID)
    /// What the supervisors on this host hold, told once before anything else at the start of a daemon.
    case adopted([AdoptedAttempt])
    /// The supervisor tells of an attempt.
    case attempt(AttemptReport)
    /// Wall-clock time of `now`, in nanoseconds since the Unix epoch.
    case wallClock(Int64)
    /// Somebody wants to read the state as it is now; the answer is `readable` with this number.
    case read(UInt64)
    /// Nobody waits for this read any more.
    case abandonRead(UInt64)
    /// Where this node leads: hand the leadership to this voter, or to the one that is furthest.
    case transfer(to: NodeID?)
    /// What this node says of itself by gossip (`MemberReport.facts`).
    case facts([UInt8])
    /// What gossip knew of the members when the last daemon here saved it.
    case recall([SwimRumour])
    /// Somebody should look at this, which is about that member.
    case alarm(NodeID, String)
    /// This daemon stops: the members are told, so that nobody has to find out.
    case goodbye
    /// This node is about to leave: it starts nothing more and gives back what it runs.
    case leave
    /// It does not leave after all.
    case stay
    /// From now on, or no longer, the owner of this host wants it alone.
    case closed(Bool)
}

/// An attempt that a supervisor of this host held when the daemon started.
public struct AdoptedAttempt: Hashable, Sendable {
    public var key: AttemptKey
    /// nil: it runs.
    public var outcome: Outcome?
    /// When it ended, or started if it runs; Unix nanoseconds.
    public var at: Int64

    public init(key: AttemptKey, outcome: Outcome? = nil, at: Int64) {
        self.key = key
        self.outcome = outcome
        self.at = at
    }
}
