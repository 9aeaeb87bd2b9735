import Codec

/// The files a task left as its results.
public struct ResultFiles: Hashable, Sendable, CBORCodable {
    /// Of their manifest.
    public var tree: Digest
    public var bytes: UInt64
    public var files: UInt64
    /// Nodes with a copy, ascending.
    public var holders: [NodeID]

    public init(tree: Digest, bytes: UInt64, files: UInt64, holders: [NodeID]) {
        self.tree = tree
        self.bytes = bytes
        self.files = files
        self.holders = holders
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        tree = try map.require(1)
        bytes = try map.require(2)
        files = try map.require(3)
        holders = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, tree)
        map.set(2, bytes)
        map.set(3, files)
        map.set(4, holders)
        return .map(map)
    }
}
