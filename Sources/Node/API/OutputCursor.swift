import Codec
import GPUBackend

/// A place in the output of a task: everything before it has been seen. Only what a chunk carried is valid.
public struct OutputCursor: Hashable, Sendable {
    /// 0: the beginning of the first attempt.
    public var attempt: UInt32
    /// nil: the beginning of that attempt.
    public var place: LogCursor?

    public init(attempt: UInt32 = 0, place: LogCursor? = nil) {
        self.attempt = attempt
        self.place = place
    }
}

extension OutputCursor: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        attempt = try map.require(1)
        place = try map.optional(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, attempt)
        map.set(2, place)
        return .map(map)
    }
}
