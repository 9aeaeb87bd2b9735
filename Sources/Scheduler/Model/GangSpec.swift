import Codec

/// The tasks of a job start together or not at all, as many on each of several nodes. Its tasks are called ranks: those of
/// the first node come first.
public struct GangSpec: Hashable, Sendable, CBORCodable {
    /// Different ones; at least 1.
    public let nodes: UInt32
    /// At least 1.
    public let tasksPerNode: UInt32
    /// Each of its tasks holds the processes of an MPI program on that node, which `mpirun` starts: a program that does not
    /// know how would not find the command.
    public let usesMPI: Bool

    /// Ranks of a gang at most: all of them are placed by one entry.
    public static let ranksMax: UInt32 = 1_024

    /// Nil where there would be no rank, or more than fit.
    public init?(nodes: UInt32, tasksPerNode: UInt32 = 1) {
        let (ranks, overflow) = nodes.multipliedReportingOverflow(by: tasksPerNode)
        guard !overflow, (1...Self.ranksMax).contains(ranks) else { return nil }
        self.nodes = nodes
        self.tasksPerNode = tasksPerNode
        usesMPI = false
    }

    public var ranks: UInt32 { nodes * tasksPerNode }

    /// The same for an MPI program: one task on each of its nodes, which holds the processes there.
    public var forMPI: GangSpec { GangSpec(self, tasksPerNode: 1, usesMPI: true) }

    private init(_ gang: GangSpec, tasksPerNode: UInt32, usesMPI: Bool) {
        nodes = gang.nodes
        self.tasksPerNode = tasksPerNode
        self.usesMPI = usesMPI
    }

    /// Which of the gang's nodes a rank is on, from 0.
    public func nodeRank(of rank: UInt32) -> UInt32 { rank / tasksPerNode }

    /// Which of the ranks on its node it is, from 0.
    public func localRank(of rank: UInt32) -> UInt32 { rank % tasksPerNode }

    /// The ranks on one of its nodes.
    public func ranks(ofNode node: UInt32) -> Range<UInt32> { node * tasksPerNode..<(node + 1) * tasksPerNode }

    /// What its ranks on one node ask for together there; nil where that is more than any number can say.
    func share(of task: Resources, on capacity: Capacity) -> Resources? {
        let count = UInt64(tasksPerNode)
        let cpus = task.cpuMillis.multipliedReportingOverflow(by: count)
        let memory = MemoryRule.bytes(for: task, on: capacity).multipliedReportingOverflow(by: count)
        let gpus = task.gpus.multipliedReportingOverflow(by: tasksPerNode)
        guard !cpus.overflow, !memory.overflow, !gpus.overflow else { return nil }
        return Resources(
            cpuMillis: cpus.partialValue, memoryBytes: memory.partialValue, gpus: gpus.partialValue,
            gpuMemoryBytes: task.gpuMemoryBytes)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        guard let gang = GangSpec(nodes: try map.require(1), tasksPerNode: try map.require(2)) else {
            throw .invalid("a gang of no ranks, or of more than \(Self.ranksMax)")
        }
        let usesMPI: Bool? = try map.optional(3)
        self = GangSpec(gang, tasksPerNode: gang.tasksPerNode, usesMPI: usesMPI ?? false)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, nodes)
        map.set(2, tasksPerNode)
        if usesMPI { map.set(3, true) }
        return .map(map)
    }
}
