import Codec
import Mesh
import Raft
import Scheduler

/// What a node's core asks of its shell, in this order.
public enum NodeEffect: Sendable {
    /// Make this durable, then say `.persisted`.
    case persist(RaftPersist)
    case send(NodeID, NodeMessage)
    /// As `send`, by datagram where these arrive: of a lease, which is none the worse when it comes late or twice.
    case sendByDatagram(NodeID, NodeMessage)
    /// A message of gossip: as a datagram, or inside the control session as `NodeMessage.swim`.
    case gossip(NodeID, SwimMessage, over: SwimPath)
    /// Make ready for this attempt what can be made before it has room here; a start may follow.
    case prepare(AttemptKey)
    /// Start this attempt of the state; it has a place here and a lease.
    case start(AttemptKey)
    case stop(AttemptKey, AttemptStop)
    /// Every attempt of this host may run until then (boot-time clock), but for those of the jobs held back: one of
    /// their attempts was replaced and is not gone yet.
    case extendLease(until: Instant, heldBack: [JobID])
    /// No attempt of this host may run longer than until then, whatever was said before.
    case shortenLease(to: Instant)
    /// The end of this attempt is known to the mesh; its supervisor may forget it.
    case settled(AttemptKey)
    case answered(RequestID, Answer)
    /// The state is now at least as new as the mesh was when these reads were asked for.
    case readable([UInt64])
    /// As the leader, this node took no word of a member that it may not say.
    case denied(NodeID, SchedulerError)
    /// What changed in the replicated state.
    case changed([StateEvent])
    /// Jobs that left the state with the entry of this index: the history keeps them.
    case archive([ArchivedJob], index: UInt64)
    /// Lines of the log of what happened, that came with the entry: every member keeps them.
    case audited([AuditLine])
    /// The set of members, or what is known of them, has changed.
    case membersChanged
    /// Gossip came to know this; the core's `membership` has it too, numbered.
    case membership(MembershipEvent)
    case leadership(RaftRole, leader: NodeID?)
    /// Another process speaks with this node's key.
    case overtaken
    /// Write this state to a snapshot's file elsewhere and say `.snapshotTaken` or `.snapshotFailed`.
    case takeSnapshot(RaftSnapshotPlan, SchedulerState)
    /// Another state has taken the place of this one: let it go elsewhere, it can be large.
    case replaced(SchedulerState)
    /// Read a piece of the snapshot's file elsewhere and send it, or say `.snapshotBroken`.
    case sendSnapshot(NodeID, term: UInt64, RaftSnapshot, offset: UInt64, byteCount: Int)
    /// Put a piece of the leader's snapshot into its file elsewhere and say `.snapshotStored`, or `.snapshotArrived` once
    /// all of it is there and its state has been read.
    case storeSnapshot(RaftSnapshotPiece)
    /// This node can take part no longer, and why.
    case failed(String)
}

/// Why an attempt has to end.
public enum AttemptStop: Hashable, Sendable {
    /// Another attempt takes its place: kill it before anything else of its job may run.
    case superseded
    /// Somebody cancelled the job: signal, grace, kill.
    case cancelled
    /// It goes on elsewhere, because this node is drained: signal, grace, kill, and what it saved last travels.
    case moved
    /// Another rank of its gang has ended: kill it, so that all can begin anew, or none goes on in vain.
    case gangEnded
    /// It goes on elsewhere, because the owner of this host wants it alone: signal, a second, kill.
    case evicted

    /// How long an attempt that is asked to end for this may take before it is killed; nil: as long as its job says.
    public var grace: Interval? { self == .evicted ? .seconds(1) : nil }
    /// Whether it ends an attempt sooner than an eviction would.
    var isHasty: Bool { self == .superseded || self == .evicted }

    /// What is reported of an attempt that ended because of it.
    var outcome: Outcome {
        switch self {
        case .superseded: .lost
        case .cancelled: .cancelled
        case .moved, .evicted: .moved
        case .gangEnded: .gangEnded
        }
    }

    /// What is reported of an attempt that was asked to end for this and ended so: it may have been done already.
    func outcome(afterEnd outcome: Outcome) -> Outcome {
        switch self {
        case .superseded: .lost
        case .cancelled: outcome
        case .moved, .evicted: outcome.isSuccess ? outcome : .moved
        case .gangEnded:
            switch outcome {
            case .signalled, .lost: .gangEnded
            default: outcome
            }
        }
    }
}
