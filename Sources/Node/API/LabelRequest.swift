import Codec
import Scheduler

/// Labels of a node are to change.
public struct LabelRequest: Hashable, Sendable {
    /// A name or short id.
    public var node: String
    public var set: [Label]
    /// Names of labels that are to go.
    public var removed: [String]

    public init(node: String, set: [Label], removed: [String]) {
        self.node = node
        self.set = set
        self.removed = removed
    }
}

extension LabelRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        set = try map.require(2)
        removed = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, set)
        map.set(3, removed)
        return .map(map)
    }
}
