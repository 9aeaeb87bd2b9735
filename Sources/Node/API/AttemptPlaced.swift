import Codec

/// A new attempt has a place.
public struct AttemptPlaced: Hashable, Sendable {
    public var number: UInt32
    public var node: String
    /// As people read them: `GPU 0 (RTX 4090 24 GiB)`, simulated ones labelled.
    public var gpus: [String]
    /// The number of the checkpoint it goes on from.
    public var resumesFrom: UInt64?
    /// Since the host of the attempt before was last heard, where that host was lost.
    public var millisecondsSinceLoss: UInt64?
    /// Its share of the node's memory.
    public var memoryBytes: UInt64
    /// Of a gang: the names of its nodes, and how many ranks are on each; else empty, and 1.
    public var nodes: [String]
    public var tasksPerNode: UInt32

    public init(
        number: UInt32, node: String, gpus: [String], resumesFrom: UInt64? = nil,
        millisecondsSinceLoss: UInt64? = nil, memoryBytes: UInt64, nodes: [String] = [], tasksPerNode: UInt32 = 1
    ) {
        self.nodes = nodes
        self.tasksPerNode = tasksPerNode
        self.number = number
        self.node = node
        self.gpus = gpus
        self.resumesFrom = resumesFrom
        self.millisecondsSinceLoss = millisecondsSinceLoss
        self.memoryBytes = memoryBytes
    }
}

extension AttemptPlaced: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        number = try map.require(1)
        node = try map.require(2)
        gpus = try map.require(3)
        resumesFrom = try map.optional(4)
        millisecondsSinceLoss = try map.optional(5)
        memoryBytes = try map.require(6)
        nodes = try map.optional(7) ?? []
        tasksPerNode = try map.optional(8) ?? 1
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, number)
        map.set(2, node)
        map.set(3, gpus)
        map.set(4, resumesFrom)
        map.set(5, millisecondsSinceLoss)
        map.set(6, memoryBytes)
        map.set(7, nodes.isEmpty ? nil : nodes)
        map.set(8, tasksPerNode == 1 ? nil : tasksPerNode)
        return .map(map)
    }
}
