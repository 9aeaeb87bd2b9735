import Codec
import GPUBackend
import Scheduler

/// Pieces of the logs of attempts, from the node that runs them to the one that keeps a copy.
struct LogBatch: Hashable, Sendable, CBORCodable {
    var pieces: [Piece]

    struct Piece: Hashable, Sendable, CBORCodable {
        var key: AttemptKey
        var place: LogPlace
        var bytes: Bytes
        /// The attempt has ended, and this is the end of what it wrote.
        var isLast: Bool

        init(key: AttemptKey, place: LogPlace, bytes: Bytes, isLast: Bool) {
            self.key = key
            self.place = place
            self.bytes = bytes
            self.isLast = isLast
        }

        init(cbor: CBOR) throws(CodecError) {
            let map = try cbor.requireMap()
            key = try map.require(1)
            place = try map.require(2)
            bytes = try map.require(3)
            isLast = try map.optional(4) ?? false
        }

        var cbor: CBOR {
            var map = CBORMap()
            map.set(1, key)
            map.set(2, place)
            map.set(3, bytes)
            if isLast { map.set(4, isLast) }
            return .map(map)
        }
    }

    /// Where the copies end now, in the order of the pieces; nil where the piece was not taken.
    struct Answer: Hashable, Sendable, CBORCodable {
        var ends: [LogPlace?]

        init(ends: [LogPlace?]) { self.ends = ends }

        init(cbor: CBOR) throws(CodecError) {
            ends = try cbor.requireArray().map { end throws(CodecError) in end == .null ? nil : try LogPlace(cbor: end)
            }
        }

        var cbor: CBOR { .array(ends.map { $0?.cbor ?? .null }) }
    }

    init(pieces: [Piece]) { self.pieces = pieces }

    init(cbor: CBOR) throws(CodecError) { pieces = try [Piece](cbor: cbor) }

    var cbor: CBOR { pieces.cbor }
}
