import Codec

/// What a join waits for.
public struct JoinProgress: Hashable, Sendable {
    public var meshFingerprint: String
    /// The joining node's short id, which the operator compares.
    public var nodeFingerprint: String
    public var nodeName: String

    public init(meshFingerprint: String, nodeFingerprint: String, nodeName: String) {
        self.meshFingerprint = meshFingerprint
        self.nodeFingerprint = nodeFingerprint
        self.nodeName = nodeName
    }
}

extension JoinProgress: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshFingerprint = try map.require(1)
        nodeFingerprint = try map.require(2)
        nodeName = try map.require(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshFingerprint)
        map.set(2, nodeFingerprint)
        map.set(3, nodeName)
        return .map(map)
    }
}
