import Codec
import Scheduler

/// Puts files into the working directory of a task that runs.
public struct PutRequest: Hashable, Sendable {
    public var job: JobID
    public var task: UInt32
    /// What is put there, by its path below that directory; its content follows as for a submit.
    public var manifest: Bytes?
    /// Between members: the same as a tree, which the member that asks has, and which attempt.
    public var tree: Digest?
    public var attempt: UInt32?

    public init(job: JobID, task: UInt32, manifest: Bytes? = nil, tree: Digest? = nil, attempt: UInt32? = nil) {
        self.job = job
        self.task = task
        self.manifest = manifest
        self.tree = tree
        self.attempt = attempt
    }
}

extension PutRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        manifest = try map.optional(3)
        tree = try map.optional(4)
        attempt = try map.optional(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, manifest)
        map.set(4, tree)
        map.set(5, attempt)
        return .map(map)
    }
}
