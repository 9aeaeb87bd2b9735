import Codec
import Scheduler

/// Founds a mesh on a daemon that is in none, or finds that it already runs one.
public struct UpRequest: Hashable, Sendable {
    /// nil: the node's name.
    public var meshName: String?
    /// nil: the host name.
    public var nodeName: String?
    public var labels: [Label]
    /// How the daemon was asked to run, as typed; nil: as it does. A daemon that runs already says what it does not do.
    public var listen: String?
    public var port: UInt16?
    public var simulatedGPUs: String?
    public var leastProfile: SandboxProfile?
    public var allowedMounts: [String]?
    public var owner: OwnerWishes

    public init(
        meshName: String? = nil, nodeName: String? = nil, labels: [Label] = [], listen: String? = nil,
        port: UInt16? = nil, simulatedGPUs: String? = nil, leastProfile: SandboxProfile? = nil,
        allowedMounts: [String]? = nil, owner: OwnerWishes = OwnerWishes()
    ) {
        self.meshName = meshName
        self.nodeName = nodeName
        self.labels = labels
        self.listen = listen
        self.port = port
        self.simulatedGPUs = simulatedGPUs
        self.leastProfile = leastProfile
        self.allowedMounts = allowedMounts
        self.owner = owner
    }
}

extension UpRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshName = try map.optional(1)
        nodeName = try map.optional(2)
        labels = try map.require(3)
        listen = try map.optional(4)
        port = try map.optional(5)
        simulatedGPUs = try map.optional(6)
        leastProfile = try map.optional(7)
        allowedMounts = try map.optional(8)
        owner = try map.optional(9) ?? OwnerWishes()
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshName)
        map.set(2, nodeName)
        map.set(3, labels)
        map.set(4, listen)
        map.set(5, port)
        map.set(6, simulatedGPUs)
        map.set(7, leastProfile)
        map.set(8, allowedMounts)
        map.set(9, owner == OwnerWishes() ? nil : owner)
        return .map(map)
    }
}
