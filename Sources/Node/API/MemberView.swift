import Codec
import Scheduler

/// One line of `members`.
public struct MemberView: Hashable, Sendable {
    public var name: String
    public var shortID: String
    /// The whole PASERK id, `k4.pid.…`.
    public var keyID: String
    public var nodeID: NodeID
    /// alive, suspect, dead, left (its daemon said goodbye) or away (it has said for how long); of those that are alive also cordoned, draining, drained or
    /// closed.
    public var state: String
    /// leader, voter or learner.
    public var raft: String?
    public var cpus: UInt32
    public var memoryBytes: UInt64
    public var gpus: [GPU]
    public var freeGPUs: UInt32
    public var address: String
    /// nil: this node itself, or not measured.
    public var roundTripMicroseconds: UInt64?
    public var labels: [Label]
    public var version: String
    public var role: NodeRole
    /// It takes no new work.
    public var drain: DrainOrder?
    /// Why its owner lets jobs use nothing of it for now.
    public var closed: String?
    /// It has been dead for so long that people should know, in words.
    public var notice: String?
    /// What it said of itself last: processes that run or wait for a processor, in hundredths; nil before it was heard.
    public var loadHundredths: UInt64?

    public init(
        name: String, shortID: String, keyID: String, nodeID: NodeID, state: String, raft: String? = nil,
        cpus: UInt32, memoryBytes: UInt64, gpus: [GPU], freeGPUs: UInt32, address: String,
        roundTripMicroseconds: UInt64? = nil, labels: [Label], version: String, role: NodeRole,
        drain: DrainOrder? = nil, closed: String? = nil, notice: String? = nil, loadHundredths: UInt64? = nil
    ) {
        self.closed = closed
        self.notice = notice
        self.loadHundredths = loadHundredths
        self.name = name
        self.shortID = shortID
        self.keyID = keyID
        self.nodeID = nodeID
        self.state = state
        self.raft = raft
        self.cpus = cpus
        self.memoryBytes = memoryBytes
        self.gpus = gpus
        self.freeGPUs = freeGPUs
        self.address = address
        self.roundTripMicroseconds = roundTripMicroseconds
        self.labels = labels
        self.version = version
        self.role = role
        self.drain = drain
    }
}

extension MemberView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        shortID = try map.require(2)
        keyID = try map.require(3)
        nodeID = try map.require(4)
        state = try map.require(5)
        raft = try map.optional(6)
        cpus = try map.require(7)
        memoryBytes = try map.require(8)
        gpus = try map.require(9)
        freeGPUs = try map.require(10)
        address = try map.require(11)
        roundTripMicroseconds = try map.optional(12)
        labels = try map.require(13)
        version = try map.require(14)
        role = try map.require(15)
        drain = try map.optional(16)
        notice = try map.optional(17)
        loadHundredths = try map.optional(18)
        closed = try map.optional(19)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, shortID)
        map.set(3, keyID)
        map.set(4, nodeID)
        map.set(5, state)
        map.set(6, raft)
        map.set(7, cpus)
        map.set(8, memoryBytes)
        map.set(9, gpus)
        map.set(10, freeGPUs)
        map.set(11, address)
        map.set(12, roundTripMicroseconds)
        map.set(13, labels)
        map.set(14, version)
        map.set(15, role)
        map.set(16, drain)
        map.set(17, notice)
        map.set(18, loadHundredths)
        map.set(19, closed)
        return .map(map)
    }
}
