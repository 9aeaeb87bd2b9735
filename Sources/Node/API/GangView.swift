import Codec

/// The tasks of a job that start together or not at all.
public struct GangView: Hashable, Sendable {
    public var nodes: UInt32
    public var tasksPerNode: UInt32
    /// Where the ranks of the newest attempt meet; nil while nobody does.
    public var masterAddress: String?
    public var masterPort: UInt16?

    public init(nodes: UInt32, tasksPerNode: UInt32, masterAddress: String? = nil, masterPort: UInt16? = nil) {
        self.nodes = nodes
        self.tasksPerNode = tasksPerNode
        self.masterAddress = masterAddress
        self.masterPort = masterPort
    }
}

extension GangView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        nodes = try map.require(1)
        tasksPerNode = try map.require(2)
        masterAddress = try map.optional(3)
        masterPort = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, nodes)
        map.set(2, tasksPerNode)
        map.set(3, masterAddress)
        map.set(4, masterPort)
        return .map(map)
    }
}
