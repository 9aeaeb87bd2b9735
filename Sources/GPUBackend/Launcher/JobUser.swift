import Codec

/// Whom an attempt runs as.
public struct JobUser: Hashable, Sendable, CBORCodable {
    public var user: UInt32
    public var group: UInt32
    /// Supplementary groups.
    public var groups: [UInt32]

    public init(user: UInt32, group: UInt32, groups: [UInt32] = []) {
        self.user = user
        self.group = group
        self.groups = groups
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        user = try map.require(1)
        group = try map.require(2)
        groups = try map.optional(3) ?? []
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, user)
        map.set(2, group)
        map.set(3, groups)
        return .map(map)
    }
}
