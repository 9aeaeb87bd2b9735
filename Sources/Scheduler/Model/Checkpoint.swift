import Codec

/// A complete set of files from which a later attempt can go on.
public struct Checkpoint: Hashable, Sendable, CBORCodable {
    /// Ascending within a task, from 1.
    public var number: UInt64
    /// That wrote it.
    public var attempt: UInt32
    /// Of its manifest.
    public var tree: Digest
    public var bytes: UInt64
    /// Nodes with a verified copy, ascending; the maker is one of them.
    public var holders: [NodeID]
    /// Set when it is recorded: nanoseconds since the Unix epoch.
    public var recordedAt: Int64

    public init(
        number: UInt64, attempt: UInt32, tree: Digest, bytes: UInt64, holders: [NodeID], recordedAt: Int64 = 0
    ) {
        self.number = number
        self.attempt = attempt
        self.tree = tree
        self.bytes = bytes
        self.holders = holders
        self.recordedAt = recordedAt
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        number = try map.require(1)
        attempt = try map.require(2)
        tree = try map.require(3)
        bytes = try map.require(4)
        holders = try map.require(5)
        recordedAt = try map.optional(6) ?? 0
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, number)
        map.set(2, attempt)
        map.set(3, tree)
        map.set(4, bytes)
        map.set(5, holders)
        map.set(6, recordedAt)
        return .map(map)
    }
}
