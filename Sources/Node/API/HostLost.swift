import Codec

/// The host of the running attempt does not answer any more, or gives its work away.
public struct HostLost: Hashable, Sendable {
    public var node: String
    public var silentMilliseconds: UInt64
    /// nil: it is not retried.
    public var nextAttempt: UInt32?
    /// It answers, and is drained.
    public var isDrained: Bool

    public init(node: String, silentMilliseconds: UInt64, nextAttempt: UInt32? = nil, isDrained: Bool = false) {
        self.isDrained = isDrained
        self.node = node
        self.silentMilliseconds = silentMilliseconds
        self.nextAttempt = nextAttempt
    }
}

extension HostLost: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        silentMilliseconds = try map.require(2)
        nextAttempt = try map.optional(3)
        isDrained = try map.optional(4) ?? false
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, silentMilliseconds)
        map.set(3, nextAttempt)
        map.set(4, isDrained ? true : nil)
        return .map(map)
    }
}
