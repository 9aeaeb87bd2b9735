import Codec

/// What happened to tokens, oldest first.
public struct TokenEventsView: Hashable, Sendable {
    /// So many came and went before the first of these.
    public var missed: UInt64
    public var events: [TokenEventView]

    public init(missed: UInt64, events: [TokenEventView]) {
        self.missed = missed
        self.events = events
    }
}

extension TokenEventsView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        missed = try map.require(1)
        events = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, missed)
        map.set(2, events)
        return .map(map)
    }
}
