import Codec

/// A table of jobs, newest first, with the age of the view.
public struct JobsView: Hashable, Sendable {
    public var jobs: [JobView]
    /// How long no leader has been heard; nil: the view is current.
    public var staleMilliseconds: UInt64?

    public init(jobs: [JobView], staleMilliseconds: UInt64? = nil) {
        self.jobs = jobs
        self.staleMilliseconds = staleMilliseconds
    }
}

extension JobsView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        jobs = try map.require(1)
        staleMilliseconds = try map.optional(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, jobs)
        map.set(2, staleMilliseconds)
        return .map(map)
    }
}
