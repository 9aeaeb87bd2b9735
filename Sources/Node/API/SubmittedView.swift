import Codec
import Scheduler

/// A job that is durable in the mesh.
public struct SubmittedView: Hashable, Sendable {
    public var job: JobID
    /// Parts of the tree that travelled with this submit.
    public var sentParts: UInt32

    /// Of a guest: how many jobs more his token starts; nil where it has no number of uses.
    public var left: UInt64?

    public init(job: JobID, sentParts: UInt32 = 0, left: UInt64? = nil) {
        self.left = left
        self.job = job
        self.sentParts = sentParts
    }
}

extension SubmittedView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        sentParts = try map.require(2)
        left = try map.optional(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, sentParts)
        map.set(3, left)
        return .map(map)
    }
}
