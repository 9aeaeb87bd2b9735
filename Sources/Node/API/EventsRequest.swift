import Codec

/// What happened to the members is to be told.
public struct EventsRequest: Hashable, Sendable {
    /// Go on with what comes.
    public var follow: Bool

    public init(follow: Bool) {
        self.follow = follow
    }
}

extension EventsRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        follow = try map.require(1)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, follow)
        return .map(map)
    }
}
