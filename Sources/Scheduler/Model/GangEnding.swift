import Codec

/// Why the ranks of a gang have to end: one of them did.
public struct GangEnding: Hashable, Sendable, CBORCodable {
    /// The first that ended otherwise than well.
    public var rank: UInt32
    public var outcome: Outcome
    /// Nothing is tried again. False while that is not known, which it is when every rank has ended.
    public var isFinal: Bool

    public init(rank: UInt32, outcome: Outcome, isFinal: Bool) {
        self.rank = rank
        self.outcome = outcome
        self.isFinal = isFinal
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        rank = try map.require(1)
        outcome = try map.require(2)
        isFinal = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, rank)
        map.set(2, outcome)
        map.set(3, isFinal)
        return .map(map)
    }
}
