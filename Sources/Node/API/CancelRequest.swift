import Codec
import Scheduler

/// Cancels a job.
public struct CancelRequest: Hashable, Sendable {
    public var job: JobID

    public init(job: JobID) {
        self.job = job
    }
}

extension CancelRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        return .map(map)
    }
}
