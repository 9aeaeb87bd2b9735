import Codec
import Scheduler

/// A node is to take no new work, or to take work again.
public struct DrainRequest: Hashable, Sendable {
    /// A name or short id.
    public var node: String
    /// nil: it takes work again.
    public var kind: DrainOrder.Kind?
    /// How long attempts that cannot move yet may go on; nil: to their end.
    public var patienceMilliseconds: UInt64?
    public var reason: String
    /// Whether the caller waits until nothing runs there any more.
    public var waits: Bool

    public init(
        node: String, kind: DrainOrder.Kind?, patienceMilliseconds: UInt64? = nil, reason: String = "", waits: Bool
    ) {
        self.node = node
        self.kind = kind
        self.patienceMilliseconds = patienceMilliseconds
        self.reason = reason
        self.waits = waits
    }
}

extension DrainRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        kind = try map.optional(2)
        patienceMilliseconds = try map.optional(3)
        reason = try map.require(4)
        waits = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, kind)
        map.set(3, patienceMilliseconds)
        map.set(4, reason)
        map.set(5, waits)
        return .map(map)
    }
}
