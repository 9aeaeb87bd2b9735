import Codec

/// One try of one task.
public struct AttemptKey: Hashable, Comparable, Sendable, CBORCodable {
    public var job: JobID
    /// Index of the task, from 0.
    public var task: UInt32
    /// From 1.
    public var attempt: UInt32

    public init(job: JobID, task: UInt32, attempt: UInt32) {
        self.job = job
        self.task = task
        self.attempt = attempt
    }

    public init(_ task: TaskKey, attempt: UInt32) { self.init(job: task.job, task: task.index, attempt: attempt) }

    public var taskKey: TaskKey { TaskKey(job: job, index: task) }

    public static func < (left: AttemptKey, right: AttemptKey) -> Bool {
        left.taskKey != right.taskKey ? left.taskKey < right.taskKey : left.attempt < right.attempt
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        attempt = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, attempt)
        return .map(map)
    }
}
