import Codec

/// A checkpoint that counts.
public struct CheckpointView: Hashable, Sendable {
    public var task: UInt32
    public var number: UInt64
    public var attempt: UInt32
    public var bytes: UInt64
    /// Names of nodes.
    public var holders: [String]
    public var recordedAt: Int64
    public var tree: Digest

    public init(
        task: UInt32, number: UInt64, attempt: UInt32, bytes: UInt64, holders: [String], recordedAt: Int64,
        tree: Digest
    ) {
        self.task = task
        self.number = number
        self.attempt = attempt
        self.bytes = bytes
        self.holders = holders
        self.recordedAt = recordedAt
        self.tree = tree
    }
}

extension CheckpointView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        task = try map.require(1)
        number = try map.require(2)
        attempt = try map.require(3)
        bytes = try map.require(4)
        holders = try map.require(5)
        recordedAt = try map.require(6)
        tree = try map.require(7)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, task)
        map.set(2, number)
        map.set(3, attempt)
        map.set(4, bytes)
        map.set(5, holders)
        map.set(6, recordedAt)
        map.set(7, tree)
        return .map(map)
    }
}
