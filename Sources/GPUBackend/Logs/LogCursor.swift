import Codec

/// A place in a log: everything before it was read.
public struct LogCursor: Hashable, Sendable, CBORCodable {
    /// Bytes of output before it, those in gaps included.
    public var outputBytes: UInt64
    /// The segment it is in, named by the bytes of output before that segment.
    var segment: UInt64
    /// Bytes into the file of that segment.
    var offset: UInt64

    /// The beginning.
    public init() { self.init(outputBytes: 0, segment: 0, offset: 0) }

    init(outputBytes: UInt64, segment: UInt64, offset: UInt64) {
        self.outputBytes = outputBytes
        self.segment = segment
        self.offset = offset
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        outputBytes = try map.require(1)
        segment = try map.require(2)
        offset = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, outputBytes)
        map.set(2, segment)
        map.set(3, offset)
        return .map(map)
    }
}
