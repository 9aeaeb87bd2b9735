import Codec

/// Bytes that a task wrote, as they came.
public struct LogChunk: Hashable, Sendable {
    /// 1 stdout, 2 stderr; 0: a gap, `bytes` is the number of lost bytes as text, empty where nobody knows it.
    public var stream: UInt8
    /// Unix nanoseconds at which they were read.
    public var time: Int64
    public var bytes: Bytes
    /// Where to go on after this chunk.
    public var next: OutputCursor
    /// Of which rank it is, where those of several come together.
    public var rank: UInt32?

    public init(stream: UInt8, time: Int64, bytes: Bytes, next: OutputCursor, rank: UInt32? = nil) {
        self.rank = rank
        self.stream = stream
        self.time = time
        self.bytes = bytes
        self.next = next
    }

    /// The end of a copy whose original is out of reach: what was written last is not in it.
    static func cut(at place: OutputCursor) -> LogChunk {
        LogChunk(stream: 0, time: 0, bytes: Bytes([]), next: place)
    }
}

extension LogChunk: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        stream = try map.require(1)
        time = try map.require(2)
        bytes = try map.require(3)
        next = try map.require(4)
        rank = try map.optional(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, stream)
        map.set(2, time)
        map.set(3, bytes)
        map.set(4, next)
        map.set(5, rank)
        return .map(map)
    }
}
