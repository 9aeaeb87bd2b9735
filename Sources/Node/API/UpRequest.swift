import Codec
import Scheduler

/// Founds a mesh on a daemon that is in none, or finds that it already runs one.
public struct UpRequest: Hashable, Sendable {
    /// nil: the node's name.
    public var meshName: String?
    /// nil: the host name.
    public var nodeName: String?
    public var labels: [Label]

    public init(meshName: String? = nil, nodeName: String? = nil, labels: [Label] = []) {
        self.meshName = meshName
        self.nodeName = nodeName
        self.labels = labels
    }
}

extension UpRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshName = try map.optional(1)
        nodeName = try map.optional(2)
        labels = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshName)
        map.set(2, nodeName)
        map.set(3, labels)
        return .map(map)
    }
}
