import Codec

/// Which jobs to list.
public struct JobsRequest: Hashable, Sendable {
    /// Also those that have ended.
    public var all: Bool

    public init(all: Bool = false) {
        self.all = all
    }
}

extension JobsRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        all = try map.require(1)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, all)
        return .map(map)
    }
}
