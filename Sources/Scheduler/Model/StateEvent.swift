import Codec

/// What an entry changed, for those who watch: the daemon's launcher, followers of jobs, the audit.
public enum StateEvent: Hashable, Sendable {
    case meshFounded
    /// Admitted, or its facts or its presence changed.
    case nodeChanged(NodeID)
    case nodeRemoved(NodeID)
    case knocked(shortID: String)
    case invitationUsed(jti: String, NodeID)
    /// Somebody else came with an invitation whose uses were spent: his key, what he calls himself, where he came from.
    case invitationReused(jti: String, key: Bytes, name: String, from: String?)
    case jobSubmitted(JobID)
    case cancelRequested(JobID)
    /// It was paused or goes on.
    case pauseChanged(JobID)
    /// The attempt is the newest one, where there is one.
    case taskChanged(TaskKey, TaskState, AttemptKey?)
    /// The tasks that waited for a place ended, all of them at once.
    case waitingTasksCancelled(JobID)
    case attemptPlaced(AttemptKey, NodeID)
    case attemptStarted(AttemptKey)
    case attemptEnded(AttemptKey, Outcome)
    /// The attempt was given up because its node is lost or left.
    case attemptLost(AttemptKey, NodeID)
    /// Ranks of it are ready, or one has ended and the others have to.
    case gangChanged(JobID)
    case jobEnded(JobID)
    /// An ended job became too old to be kept here.
    case jobForgotten(JobID)
    case checkpointRecorded(TaskKey, number: UInt64)
    case checkpointHeld(TaskKey, number: UInt64, by: NodeID)
    case resultsRecorded(TaskKey)
    case treeHeld(Digest, by: NodeID)
    case settingChanged(key: String)
    /// Another key certifies the hosts of the mesh.
    case meshKeyChanged
    /// Who may issue tokens, or which are believed.
    case tokensChanged
    /// A use of a token was spent on a job.
    case tokenSpent(name: String, JobID)
    case tokenIssued(name: String)
    case tokenRevoked(TokenRevocation.Subject)
    /// Everything that was issued before is believed no more.
    case tokenEpochRaised(by: String)
    case tokenIssuerAdded(String)
    /// An entry with it was refused, with this code.
    case tokenRefused(name: String, code: String)
    case levelRaised(UInt64)
}
