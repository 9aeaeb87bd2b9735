import Codec
import Scheduler

/// A job, and the tree its tasks start in.
public struct SubmitRequest: Hashable, Sendable {
    /// Chosen by the caller; the same id submits once, however often it is sent.
    public var request: RequestID
    public var spec: JobSpec
    /// The encoded manifest of the working tree; nil: nothing is sent, tasks start in an empty directory.
    public var manifest: Bytes?

    public init(request: RequestID, spec: JobSpec, manifest: Bytes? = nil) {
        self.request = request
        self.spec = spec
        self.manifest = manifest
    }
}

extension SubmitRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        request = try map.require(1)
        spec = try map.require(2)
        manifest = try map.optional(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, request)
        map.set(2, spec)
        map.set(3, manifest)
        return .map(map)
    }
}
