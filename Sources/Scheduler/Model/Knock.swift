import Codec

/// A node that asked to join and waits until somebody approves it.
public struct Knock: Hashable, Sendable, CBORCodable {
    /// As it calls itself; not unique.
    public var name: String
    /// Its Ed25519 public key, 32 bytes.
    public var identityKey: Bytes
    /// Its X25519 public key, 32 bytes, signed by the identity key.
    public var noiseKey: Bytes
    /// The 8 characters people compare, worked out by the member it knocked at, never taken from the knocker.
    public var shortID: String
    public var addresses: [String]
    public var capacity: Capacity
    public var role: NodeRole
    public var labels: [Label]
    public var version: String
    /// Which levels of the protocol it speaks.
    public var levels: ProtocolLevels
    /// Set when it is recorded: nanoseconds since the Unix epoch.
    public var knockedAt: Int64

    public init(
        name: String, identityKey: Bytes, noiseKey: Bytes, shortID: String = "", addresses: [String] = [],
        capacity: Capacity, role: NodeRole = .auto, labels: [Label] = [], version: String = "",
        levels: ProtocolLevels = .current, knockedAt: Int64 = 0
    ) {
        self.name = name
        self.identityKey = identityKey
        self.noiseKey = noiseKey
        self.shortID = shortID
        self.addresses = addresses
        self.capacity = capacity
        self.role = role
        self.labels = labels
        self.version = version
        self.levels = levels
        self.knockedAt = knockedAt
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        identityKey = try map.require(2)
        noiseKey = try map.require(3)
        shortID = try map.optional(4) ?? ""
        addresses = try map.optional(5) ?? []
        capacity = try map.require(6)
        role = try map.optional(7) ?? .auto
        labels = try map.optional(8) ?? []
        version = try map.optional(9) ?? ""
        knockedAt = try map.optional(10) ?? 0
        levels = try map.optional(11) ?? ProtocolLevels(lowest: 1, highest: 1)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, identityKey)
        map.set(3, noiseKey)
        map.set(4, shortID)
        map.set(5, addresses)
        map.set(6, capacity)
        map.set(7, role)
        map.set(8, labels)
        map.set(9, version)
        map.set(10, knockedAt)
        map.set(11, levels)
        return .map(map)
    }
}
