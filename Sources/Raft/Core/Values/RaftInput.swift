import Codec

/// Everything that can happen to a `RaftCore`.
public enum RaftInput: Hashable, Sendable {
    /// Time has passed: call it when `nextDeadline` is reached; too early or too late does no harm.
    case timer
    /// A message came from a member. The caller has made sure who sent it.
    case received(from: NodeID, RaftMessage)
    /// Put `entry` into the log. Answered by `proposed` or `rejected` with the same `id`.
    case propose(id: UInt64, entry: [UInt8])
    /// Ask for the index at which a read is up to date. Answered by `readReady` or `rejected`.
    case read(id: UInt64)
    /// Make exactly these the voters and learners. Answered by `proposed` (of its first entry) or `rejected`. A node
    /// should have caught up as a learner before it is made a voter (`RaftPeerProgress.hasCaughtUp`). Where the voters
    /// change, the joint membership ends by itself, or with `staysJoint` only by `leaveJoint`.
    case change(id: UInt64, voters: [NodeID], learners: [NodeID], staysJoint: Bool = false)
    /// End a joint membership that waits for this. Answered by `proposed` or `rejected`.
    case leaveJoint(id: UInt64)
    /// Hand the leadership to this voter, or to the one that is furthest. Does nothing where this node does not lead.
    case transfer(to: NodeID?)
    /// The changes with these tokens are durable. A disk may finish them in any order and say so twice; what is
    /// acknowledged waits until everything before it is durable too.
    case persisted(ClosedRange<UInt64>)
    /// The disk refused a write. The core stops for good.
    case diskFailed(reason: String)
    /// A snapshot that was wanted is whole and durable in its file, which lets the log before it go.
    indirect case snapshotTaken(RaftSnapshot)
    /// A snapshot that was wanted could not be taken; the node goes on without.
    case snapshotFailed
    /// The file of this node's own snapshot is not what was written: another is needed.
    case snapshotBroken(index: UInt64)
    /// This much of a snapshot from the leader is in its file: the piece at `nextOffset` comes next.
    indirect case snapshotStored(RaftSnapshot, nextOffset: UInt64)
    /// A snapshot from the leader is whole, checked and durable in its file, and its state can be had at once.
    indirect case snapshotArrived(RaftSnapshot)
    /// The connection to this member broke, or its process is known to be gone.
    case unreachable(NodeID)
    /// Memory is short: keep no more of the log than the snapshot requires.
    case compact
}
