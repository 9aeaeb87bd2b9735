import Codec
import Scheduler

/// A job that is durable in the mesh.
public struct SubmittedView: Hashable, Sendable {
    public var job: JobID
    /// Parts of the tree that travelled with this submit.
    public var sentParts: UInt32

    public init(job: JobID, sentParts: UInt32 = 0) {
        self.job = job
        self.sentParts = sentParts
    }
}

extension SubmittedView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        sentParts = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, sentParts)
        return .map(map)
    }
}
