import Codec

/// A decision of the leader: this attempt runs there with these.
public struct Placement: Hashable, Sendable, CBORCodable {
    public var attempt: AttemptKey
    public var node: NodeID
    /// Indices of the devices, ascending.
    public var gpus: [UInt32]
    public var cpuMillis: UInt64
    public var memoryBytes: UInt64
    /// The checkpoint it goes on from.
    public var resumeFrom: UInt64?
    /// It gets no room of its own: it takes over that of an attempt of its job that ends on the node.
    public var waits: Bool

    public init(
        attempt: AttemptKey, node: NodeID, gpus: [UInt32] = [], cpuMillis: UInt64, memoryBytes: UInt64,
        resumeFrom: UInt64? = nil, waits: Bool = false
    ) {
        self.attempt = attempt
        self.node = node
        self.gpus = gpus
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.resumeFrom = resumeFrom
        self.waits = waits
    }

    /// The same of another job.
    func of(_ job: JobID) -> Placement {
        var placement = self
        placement.attempt.job = job
        return placement
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        attempt = try map.require(1)
        node = try map.require(2)
        gpus = try map.optional(3) ?? []
        cpuMillis = try map.require(4)
        memoryBytes = try map.require(5)
        resumeFrom = try map.optional(6)
        waits = try map.optional(7) ?? false
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, attempt)
        map.set(2, node)
        map.set(3, gpus)
        map.set(4, cpuMillis)
        map.set(5, memoryBytes)
        map.set(6, resumeFrom)
        map.set(7, waits ? true : nil)
        return .map(map)
    }
}
