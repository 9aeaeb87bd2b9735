import Codec

/// The host of the running attempt does not answer any more.
public struct HostLost: Hashable, Sendable {
    public var node: String
    public var silentMilliseconds: UInt64
    /// nil: it is not retried.
    public var nextAttempt: UInt32?

    public init(node: String, silentMilliseconds: UInt64, nextAttempt: UInt32? = nil) {
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
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, silentMilliseconds)
        map.set(3, nextAttempt)
        return .map(map)
    }
}
