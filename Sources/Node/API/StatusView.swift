import Codec
import Scheduler

/// What this daemon is and in which mesh.
public struct StatusView: Hashable, Sendable {
    public var version: String
    public var inMesh: Bool
    public var meshName: String?
    public var meshFingerprint: String?
    public var nodeName: String?
    /// Of the node's identity.
    public var shortID: String
    public var cpus: UInt32
    public var memoryBytes: UInt64
    public var gpus: [GPU]
    public var addresses: [String]
    /// io_uring or epoll.
    public var backend: String
    /// Why not io_uring.
    public var backendReason: String?
    /// What this host enforces less than others, one sentence each.
    public var weaker: [String]
    /// How long the join took that this status ends.
    public var joinMilliseconds: UInt64?
    /// Whether this request founded the mesh.
    public var founded: Bool
    public var leader: String?
    /// What this request asked for that only a new start of the daemon could do, such as `--port 7718`.
    public var notApplied: [String]
    /// Of the daemon.
    public var process: Int64?
    /// The interface that it listens on alone.
    public var interface: String?
    /// The name that was asked for, where another node has it.
    public var nameTaken: String?
    /// The digest of the program that the daemon runs; nil while it has not looked yet.
    public var program: Digest?
    /// Why it takes no part in its mesh.
    public var failure: String?

    public init(
        version: String, inMesh: Bool, meshName: String? = nil, meshFingerprint: String? = nil,
        nodeName: String? = nil, shortID: String, cpus: UInt32, memoryBytes: UInt64, gpus: [GPU],
        addresses: [String], backend: String, backendReason: String? = nil, weaker: [String],
        joinMilliseconds: UInt64? = nil, founded: Bool = false, leader: String? = nil, notApplied: [String] = [],
        process: Int64? = nil
    ) {
        self.version = version
        self.inMesh = inMesh
        self.meshName = meshName
        self.meshFingerprint = meshFingerprint
        self.nodeName = nodeName
        self.shortID = shortID
        self.cpus = cpus
        self.memoryBytes = memoryBytes
        self.gpus = gpus
        self.addresses = addresses
        self.backend = backend
        self.backendReason = backendReason
        self.weaker = weaker
        self.joinMilliseconds = joinMilliseconds
        self.founded = founded
        self.leader = leader
        self.notApplied = notApplied
        self.process = process
    }
}

extension StatusView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        version = try map.require(1)
        inMesh = try map.require(2)
        meshName = try map.optional(3)
        meshFingerprint = try map.optional(4)
        nodeName = try map.optional(5)
        shortID = try map.require(6)
        cpus = try map.require(7)
        memoryBytes = try map.require(8)
        gpus = try map.require(9)
        addresses = try map.require(10)
        backend = try map.require(11)
        backendReason = try map.optional(12)
        weaker = try map.require(13)
        joinMilliseconds = try map.optional(14)
        founded = try map.require(15)
        leader = try map.optional(16)
        notApplied = try map.optional(17) ?? []
        process = try map.optional(18)
        nameTaken = try map.optional(19)
        interface = try map.optional(20)
        program = try map.optional(21)
        failure = try map.optional(22)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, version)
        map.set(2, inMesh)
        map.set(3, meshName)
        map.set(4, meshFingerprint)
        map.set(5, nodeName)
        map.set(6, shortID)
        map.set(7, cpus)
        map.set(8, memoryBytes)
        map.set(9, gpus)
        map.set(10, addresses)
        map.set(11, backend)
        map.set(12, backendReason)
        map.set(13, weaker)
        map.set(14, joinMilliseconds)
        map.set(15, founded)
        map.set(16, leader)
        map.set(17, notApplied.isEmpty ? nil : notApplied)
        map.set(18, process)
        map.set(19, nameTaken)
        map.set(20, interface)
        map.set(21, program)
        map.set(22, failure)
        return .map(map)
    }
}
