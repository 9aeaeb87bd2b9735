import Codec
import Scheduler

/// One try of one task.
public struct AttemptView: Hashable, Sendable {
    public var task: UInt32
    public var number: UInt32
    public var node: String
    /// As people read them: `GPU 0 (RTX 4090 24 GiB)`, simulated ones labelled.
    public var gpus: [String]
    public var state: TaskState
    public var placedAt: Int64
    public var startedAt: Int64?
    public var endedAt: Int64?
    /// In words.
    public var outcome: String?
    public var exitCode: Int32?
    /// The number of the checkpoint.
    public var resumedFrom: UInt64?
    public var usage: AttemptUsage?
    /// What became of its setup; nil where it has none, and until that has ended.
    public var setup: AttemptSetup?

    public init(
        task: UInt32, number: UInt32, node: String, gpus: [String], state: TaskState, placedAt: Int64,
        startedAt: Int64? = nil, endedAt: Int64? = nil, outcome: String? = nil, exitCode: Int32? = nil,
        resumedFrom: UInt64? = nil, usage: AttemptUsage? = nil, setup: AttemptSetup? = nil
    ) {
        self.task = task
        self.number = number
        self.node = node
        self.gpus = gpus
        self.state = state
        self.placedAt = placedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outcome = outcome
        self.exitCode = exitCode
        self.resumedFrom = resumedFrom
        self.usage = usage
        self.setup = setup
    }
}

extension AttemptView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        task = try map.require(1)
        number = try map.require(2)
        node = try map.require(3)
        gpus = try map.require(4)
        state = try map.require(5)
        placedAt = try map.require(6)
        startedAt = try map.optional(7)
        endedAt = try map.optional(8)
        outcome = try map.optional(9)
        exitCode = try map.optional(10)
        resumedFrom = try map.optional(11)
        usage = try map.optional(12)
        setup = try map.optional(13)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, task)
        map.set(2, number)
        map.set(3, node)
        map.set(4, gpus)
        map.set(5, state)
        map.set(6, placedAt)
        map.set(7, startedAt)
        map.set(8, endedAt)
        map.set(9, outcome)
        map.set(10, exitCode)
        map.set(11, resumedFrom)
        map.set(12, usage)
        map.set(13, setup)
        return .map(map)
    }
}
