import Codec

/// A place in the files of a log, whatever a record is: so many bytes into the segment that begins after so much output.
public struct LogPlace: Hashable, Sendable, CBORCodable {
    public var segment: UInt64
    public var offset: UInt64

    /// The beginning.
    public init() { self.init(segment: 0, offset: 0) }

    init(segment: UInt64, offset: UInt64) {
        self.segment = segment
        self.offset = offset
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        segment = try map.require(1)
        offset = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, segment)
        map.set(2, offset)
        return .map(map)
    }
}
