import Codec

/// A setting that somebody gave a value.
public struct SettingRecord: Hashable, Sendable, CBORCodable {
    public var key: String
    public var value: String
    /// Nanoseconds since the Unix epoch.
    public var changedAt: Int64
    /// The user who set it.
    public var changedBy: String

    public init(key: String, value: String, changedAt: Int64, changedBy: String) {
        self.key = key
        self.value = value
        self.changedAt = changedAt
        self.changedBy = changedBy
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        key = try map.require(1)
        value = try map.require(2)
        changedAt = try map.require(3)
        changedBy = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, key)
        map.set(2, value)
        map.set(3, changedAt)
        map.set(4, changedBy)
        return .map(map)
    }
}
