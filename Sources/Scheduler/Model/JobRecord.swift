import Codec

/// A job as the mesh knows it, without its tasks.
public struct JobRecord: Hashable, Sendable {
    public var id: JobID
    public var spec: JobSpec
    /// Nanoseconds since the Unix epoch.
    public var submittedAt: Int64
    /// When its last task ended.
    public var endedAt: Int64?
    public var counts: TaskCounts
    /// Of the first task that failed; 130 where one was cancelled and none failed; 0 when all succeeded.
    /// Nil until it ended.
    public var exitCode: Int32?
    /// Who asked to cancel it.
    public var cancelRequestedBy: String?
    /// Who has it stand still; nil: it goes on.
    public var pausedBy: String?
    /// How far the newest try of a gang has come; nil where none is placed, and of a job that is no gang.
    public var gang: GangRecord?

    /// One word for all of its tasks.
    public var state: TaskState { counts.summary }
    public var isEnded: Bool { endedAt != nil }
}
