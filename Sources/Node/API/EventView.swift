import Codec

/// Something that this node came to know about a member.
public struct EventView: Hashable, Sendable {
    /// Nanoseconds since the Unix epoch, by the clock of this node.
    public var at: Int64
    public var node: String
    /// join, suspect, alive, dead, left, facts, removed or alarm.
    public var event: String
    public var detail: String?

    public init(at: Int64, node: String, event: String, detail: String? = nil) {
        self.at = at
        self.node = node
        self.event = event
        self.detail = detail
    }
}

extension EventView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        at = try map.require(1)
        node = try map.require(2)
        event = try map.require(3)
        detail = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, at)
        map.set(2, node)
        map.set(3, event)
        map.set(4, detail)
        return .map(map)
    }
}
