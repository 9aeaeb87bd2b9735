import Codec

/// Some events, oldest first.
public struct EventsView: Hashable, Sendable {
    /// So many came and went before the first of these.
    public var missed: UInt64
    public var events: [EventView]

    public init(missed: UInt64, events: [EventView]) {
        self.missed = missed
        self.events = events
    }
}

extension EventsView: CBORCodable {
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
