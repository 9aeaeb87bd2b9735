import Codec

/// A key outside the members whose tokens the mesh believes.
public struct IssuerRecord: Hashable, Sendable, CBORCodable {
    /// The id of the key.
    public var id: String
    /// The public key, 32 bytes.
    public var key: Bytes
    /// As people know it.
    public var name: String
    /// Longest life of its tokens in seconds.
    public var lifetimeSeconds: UInt64
    /// Who added it.
    public var by: String
    /// Nanoseconds since the Unix epoch.
    public var at: Int64
    /// For how many seconds it is believed after it was added, or after a job was last started with a token of its; nil:
    /// for ever, as those that were added below level 7.
    public var ttlSeconds: UInt64?
    /// When that is over, in nanoseconds since the Unix epoch; the state sets it.
    public var expires: Int64?
    /// nil: it is the one of now.
    public var replaced: IssuerReplacement?

    public init(
        id: String, key: Bytes, name: String, lifetimeSeconds: UInt64, by: String, at: Int64 = 0,
        ttlSeconds: UInt64? = nil, expires: Int64? = nil
    ) {
        self.ttlSeconds = ttlSeconds
        self.expires = expires
        self.id = id
        self.key = key
        self.name = name
        self.lifetimeSeconds = lifetimeSeconds
        self.by = by
        self.at = at
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        id = try map.require(1)
        key = try map.require(2)
        name = try map.require(3)
        lifetimeSeconds = try map.require(4)
        by = try map.require(5)
        at = try map.require(6)
        ttlSeconds = try map.optional(7)
        expires = try map.optional(8)
        replaced = try map.optional(10)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, key)
        map.set(3, name)
        map.set(4, lifetimeSeconds)
        map.set(5, by)
        map.set(6, at)
        map.set(7, ttlSeconds)
        map.set(8, expires)
        map.set(10, replaced)
        return .map(map)
    }
}
