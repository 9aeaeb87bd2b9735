import Codec

/// A node as every member knows it.
public struct NodeRecord: Hashable, Sendable, CBORCodable {
    /// Given at admission; what a caller writes here is not looked at then.
    public var id: NodeID
    /// Unique among the members: a clash gets "-2", "-3" and so on.
    public var name: String
    /// Its Ed25519 public key, 32 bytes.
    public var identityKey: Bytes
    /// Its X25519 public key, 32 bytes, signed by the identity key.
    public var noiseKey: Bytes
    public var role: NodeRole
    /// Sorted.
    public var labels: [Label]
    /// "host:port", best first.
    public var addresses: [String]
    public var capacity: Capacity
    /// Nanoseconds since the Unix epoch.
    public var admittedAt: Int64
    public var presence: Presence
    /// Of the program it runs.
    public var version: String
    /// It drains or is about to leave: no seat among the voters, and the one it has goes to another.
    public var standsDown: Bool
    /// Which levels of the protocol it speaks.
    public var levels: ProtocolLevels
    /// It takes no new work.
    public var drain: DrainOrder?
    /// It is a member no more, and its key never will be again.
    public var revocation: Revocation?
    /// Its daemon is away by its own word.
    public var absence: Absence?
    /// What its identity was before, the oldest first. They are never admitted again.
    public var formerKeys: [FormerKey] = []

    public init(
        id: NodeID = NodeID(0), name: String, identityKey: Bytes, noiseKey: Bytes, role: NodeRole = .auto,
        labels: [Label] = [], addresses: [String] = [], capacity: Capacity, admittedAt: Int64 = 0,
        presence: Presence = .present, version: String = "", standsDown: Bool = false,
        levels: ProtocolLevels = .current,
        drain: DrainOrder? = nil, revocation: Revocation? = nil
    ) {
        self.drain = drain
        self.revocation = revocation
        self.id = id
        self.name = name
        self.identityKey = identityKey
        self.noiseKey = noiseKey
        self.role = role
        self.labels = labels
        self.addresses = addresses
        self.capacity = capacity
        self.admittedAt = admittedAt
        self.presence = presence
        self.version = version
        self.standsDown = standsDown
        self.levels = levels
    }

    /// Whether work may ever be placed there.
    public var mayRunWork: Bool { role != .client && revocation == nil }

    /// Whether new work may be placed there now.
    public var takesWork: Bool {
        presence == .present && drain == nil && capacity.closed == nil && absence == nil && mayRunWork
    }

    /// Whether its seat among the voters should go to another node.
    public var givesSeatAway: Bool { standsDown || drain?.kind == .drain || revocation != nil }

    /// The value of a label; empty where it has none of that name.
    public func label(_ name: String) -> String { labels.first { $0.name == name }?.value ?? "" }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        id = try map.optional(1) ?? NodeID(0)
        name = try map.require(2)
        identityKey = try map.require(3)
        noiseKey = try map.require(4)
        role = try map.optional(5) ?? .auto
        labels = try map.optional(6) ?? []
        addresses = try map.optional(7) ?? []
        capacity = try map.require(8)
        admittedAt = try map.optional(9) ?? 0
        presence = try map.optional(10) ?? .present
        version = try map.optional(11) ?? ""
        standsDown = try map.optional(12) ?? false
        levels = try map.optional(13) ?? ProtocolLevels(lowest: 1, highest: 1)
        drain = try map.optional(14)
        revocation = try map.optional(15)
        absence = try map.optional(16)
        formerKeys = try map.optional(17) ?? []
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, name)
        map.set(3, identityKey)
        map.set(4, noiseKey)
        map.set(5, role)
        map.set(6, labels)
        map.set(7, addresses)
        map.set(8, capacity)
        map.set(9, admittedAt)
        map.set(10, presence)
        map.set(11, version)
        map.set(12, standsDown ? true : nil)
        map.set(13, levels)
        map.set(14, drain)
        map.set(15, revocation)
        map.set(16, absence)
        map.set(17, formerKeys.isEmpty ? nil : formerKeys)
        return .map(map)
    }
}
