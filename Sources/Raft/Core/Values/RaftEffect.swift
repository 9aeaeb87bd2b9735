import Codec

/// Everything that a `RaftCore` can ask for, in the order in which it must be done.
public enum RaftEffect: Hashable, Sendable {
    /// Make this durable and then give `persisted` with its token. Changes are done in order; several may be done at once.
    indirect case persist(RaftPersist)
    /// Send at once. Whatever the message promises is already durable: the core holds messages back until then.
    case send(to: NodeID, RaftMessage)
    /// These entries are committed: apply them in order. Entries that are Raft's own are among them.
    case apply([RaftEntry])
    /// Replace the whole state by that of this snapshot, which `snapshotArrived` has named.
    indirect case restore(RaftSnapshot)
    /// Read this many bytes of the snapshot's file, off this thread, and send them as a piece in a message of this term.
    /// Where the file is not what was written, say `snapshotBroken`.
    indirect case sendSnapshot(to: NodeID, term: UInt64, RaftSnapshot, offset: UInt64, byteCount: Int)
    /// Put this piece of the leader's snapshot into its file, off this thread, and say how far it is with
    /// `snapshotStored`, or `snapshotArrived` once it is whole. A piece that is not what its digest says, or is not the
    /// next one, is left out.
    indirect case storeSnapshot(RaftSnapshotPiece)
    /// The proposal `id` has this place in the log. It has happened when `apply` hands out an entry with this index *and*
    /// term; when another term's entry has that index, or `roleChanged` says that this node no longer leads the term, its
    /// outcome is unknown until then.
    case proposed(id: UInt64, index: UInt64, term: UInt64)
    /// The request `id` was refused. A refused proposal has not happened and never will.
    case rejected(id: UInt64, RaftError)
    /// The read `id` may be answered from the state after `index`, which `apply` has already handed out.
    case readReady(id: UInt64, index: UInt64)
    /// Role, term or known leader changed.
    case roleChanged(role: RaftRole, term: UInt64, leader: NodeID?)
    /// This membership is in force now (it need not be committed yet).
    indirect case membershipChanged(RaftMembership)
    /// The log since the last snapshot is long: write the state as it is now to a file, off this thread, and say
    /// `snapshotTaken` or `snapshotFailed`.
    indirect case snapshotWanted(RaftSnapshotPlan)
    /// The core has stopped and ignores everything from now on.
    case stop(RaftError)
}
