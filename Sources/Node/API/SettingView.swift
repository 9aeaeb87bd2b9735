import Codec

/// One line of `config ls`.
public struct SettingView: Hashable, Sendable {
    public var key: String
    /// What holds now.
    public var value: String
    /// What holds where nobody has set it; nil for keys of users.
    public var defaultValue: String?
    /// What it is for; nil for keys of users.
    public var meaning: String?
    /// Unix nanoseconds; nil: nobody has set it.
    public var changedAt: Int64?
    public var changedBy: String?

    public init(
        key: String, value: String, defaultValue: String? = nil, meaning: String? = nil, changedAt: Int64? = nil,
        changedBy: String? = nil
    ) {
        self.key = key
        self.value = value
        self.defaultValue = defaultValue
        self.meaning = meaning
        self.changedAt = changedAt
        self.changedBy = changedBy
    }
}

extension SettingView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        key = try map.require(1)
        value = try map.require(2)
        defaultValue = try map.optional(3)
        meaning = try map.optional(4)
        changedAt = try map.optional(5)
        changedBy = try map.optional(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, key)
        map.set(2, value)
        map.set(3, defaultValue)
        map.set(4, meaning)
        map.set(5, changedAt)
        map.set(6, changedBy)
        return .map(map)
    }
}
