import Codec

/// One time that the mesh was recovered from one node.
public struct Recovery: Hashable, Sendable, CBORCodable {
    /// The epoch of the mesh that began with it.
    public var epoch: UInt64
    /// How many jobs had left the state until then: what has a later number in a history of an epoch before was lost, and
    /// the number was given again.
    public var archivedCount: UInt64
    /// How long the log of what happened was then: what is behind it in the copy of an epoch before was lost.
    public var auditSize: UInt64
    /// Invitations of an earlier epoch of tokens are void; 0: none is.
    public var tokenEpoch: UInt64

    init(epoch: UInt64, archivedCount: UInt64, auditSize: UInt64 = 0, tokenEpoch: UInt64 = 0) {
        self.tokenEpoch = tokenEpoch
        self.epoch = epoch
        self.archivedCount = archivedCount
        self.auditSize = auditSize
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        epoch = try map.require(1)
        archivedCount = try map.require(2)
        auditSize = try map.optional(3) ?? 0
        tokenEpoch = try map.optional(4) ?? 0
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, epoch)
        map.set(2, archivedCount)
        // As it was written before there was such a log.
        map.set(3, auditSize > 0 ? auditSize : nil)
        map.set(4, tokenEpoch > 0 ? tokenEpoch : nil)
        return .map(map)
    }
}
