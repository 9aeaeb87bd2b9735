import Codec
import Scheduler

/// What is known of a tree that is kept on this node.
struct KeptTree: Hashable, Sendable, CBORCodable {
    var bytes: UInt64
    /// The job for which it was made.
    var job: JobID
    /// The run of the kernel in which it was made, until all of it is on the disk; nil from then on.
    var boot: String?

    init(bytes: UInt64, job: JobID, boot: String?) {
        self.bytes = bytes
        self.job = job
        self.boot = boot
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        bytes = try map.require(1)
        job = try map.require(2)
        boot = try map.optional(3)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, bytes)
        map.set(2, job)
        map.set(3, boot)
        return .map(map)
    }
}
