import Codec
import Scheduler

/// Files of a task: its recorded results, or a path in its working directory.
public struct FetchRequest: Hashable, Sendable {
    public var job: JobID
    public var task: UInt32
    /// `/model.npz`; nil: the results that `--out` named.
    public var path: String?
    /// nil: the newest.
    public var attempt: UInt32?

    public init(job: JobID, task: UInt32 = 0, path: String? = nil, attempt: UInt32? = nil) {
        self.job = job
        self.task = task
        self.path = path
        self.attempt = attempt
    }
}

extension FetchRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        path = try map.optional(3)
        attempt = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, path)
        map.set(4, attempt)
        return .map(map)
    }
}
