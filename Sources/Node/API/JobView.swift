import Codec
import Scheduler

/// One line of `ps`.
public struct JobView: Hashable, Sendable {
    public var id: JobID
    public var name: String
    public var user: String
    public var state: TaskState
    public var tasks: UInt32
    public var tasksEnded: UInt32
    /// Per task.
    public var gpus: UInt32
    /// Where live attempts are, in order of task.
    public var nodes: [String]
    /// Unix nanoseconds.
    public var submittedAt: Int64
    public var startedAt: Int64?
    public var endedAt: Int64?
    /// Of the task with most.
    public var attempts: UInt32
    /// Why it waits or how it ended, in words.
    public var reason: String?
    public var exitCode: Int32?
    /// Whether a live attempt is frozen for want of a lease.
    public var frozen: Bool

    public init(
        id: JobID, name: String, user: String, state: TaskState, tasks: UInt32, tasksEnded: UInt32, gpus: UInt32,
        nodes: [String], submittedAt: Int64, startedAt: Int64? = nil, endedAt: Int64? = nil, attempts: UInt32,
        reason: String? = nil, exitCode: Int32? = nil, frozen: Bool = false
    ) {
        self.id = id
        self.name = name
        self.user = user
        self.state = state
        self.tasks = tasks
        self.tasksEnded = tasksEnded
        self.gpus = gpus
        self.nodes = nodes
        self.submittedAt = submittedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.attempts = attempts
        self.reason = reason
        self.exitCode = exitCode
        self.frozen = frozen
    }
}

extension JobView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        id = try map.require(1)
        name = try map.require(2)
        user = try map.require(3)
        state = try map.require(4)
        tasks = try map.require(5)
        tasksEnded = try map.require(6)
        gpus = try map.require(7)
        nodes = try map.require(8)
        submittedAt = try map.require(9)
        startedAt = try map.optional(10)
        endedAt = try map.optional(11)
        attempts = try map.require(12)
        reason = try map.optional(13)
        exitCode = try map.optional(14)
        frozen = try map.require(15)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, name)
        map.set(3, user)
        map.set(4, state)
        map.set(5, tasks)
        map.set(6, tasksEnded)
        map.set(7, gpus)
        map.set(8, nodes)
        map.set(9, submittedAt)
        map.set(10, startedAt)
        map.set(11, endedAt)
        map.set(12, attempts)
        map.set(13, reason)
        map.set(14, exitCode)
        map.set(15, frozen)
        return .map(map)
    }
}
