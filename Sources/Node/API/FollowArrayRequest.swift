import Codec
import Scheduler

/// Follows an array: the output of its tasks in the order of their numbers, of each as soon as it has ended.
public struct FollowArrayRequest: Hashable, Sendable {
    public var job: JobID
    /// The first task whose output is wanted.
    public var task: UInt32

    public init(job: JobID, task: UInt32 = 0) {
        self.job = job
        self.task = task
    }
}

extension FollowArrayRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        return .map(map)
    }
}
