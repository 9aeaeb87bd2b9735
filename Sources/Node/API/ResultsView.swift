import Codec

/// The files that `--out` named.
public struct ResultsView: Hashable, Sendable {
    public var tree: Digest
    public var bytes: UInt64
    public var files: UInt64
    public var holders: [String]

    public init(tree: Digest, bytes: UInt64, files: UInt64, holders: [String]) {
        self.tree = tree
        self.bytes = bytes
        self.files = files
        self.holders = holders
    }
}

extension ResultsView: CBORCodable {
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
