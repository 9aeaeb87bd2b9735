import Codec

/// 128 random bits that name a request, so that asking twice does not do twice.
public struct RequestID: Hashable, Comparable, Sendable, CBORCodable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static func < (left: RequestID, right: RequestID) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        high = try map.require(1)
        low = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, high)
        map.set(2, low)
        return .map(map)
    }
}
