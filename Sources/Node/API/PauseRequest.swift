import Codec
import Scheduler

/// Makes a job stand still where it is, or go on.
public struct PauseRequest: Hashable, Sendable {
    public var job: JobID
    /// False: it goes on.
    public var isPaused: Bool

    public init(job: JobID, isPaused: Bool) {
        self.job = job
        self.isPaused = isPaused
    }
}

extension PauseRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        isPaused = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, isPaused)
        return .map(map)
    }
}
