import Codec

/// A rank of a gang has ended otherwise than well, and the others have to.
public struct RankEnded: Hashable, Sendable {
    public var rank: UInt32
    public var node: String
    /// How, in words.
    public var outcome: String
    /// nil: the gang is not run again.
    public var nextAttempt: UInt32?

    public init(rank: UInt32, node: String, outcome: String, nextAttempt: UInt32? = nil) {
        self.rank = rank
        self.node = node
        self.outcome = outcome
        self.nextAttempt = nextAttempt
    }
}

extension RankEnded: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        rank = try map.require(1)
        node = try map.require(2)
        outcome = try map.require(3)
        nextAttempt = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, rank)
        map.set(2, node)
        map.set(3, outcome)
        map.set(4, nextAttempt)
        return .map(map)
    }
}
