import Codec

/// What is left of a node in a round of placing.
struct Room: Sendable {
    let id: NodeID
    let capacity: Capacity
    var free: Capacity

    /// Why one room is better than another: the smaller the better, the first difference decides.
    struct Score: Comparable, Sendable {
        /// The host could not start this task before.
        var failedBefore: Int
        var gpusLeft: Int
        var gpuMemoryTaken: UInt64
        /// CPUs and memory left, each in quarters of the node: near ties are ties, so that the next two matter.
        var quartersLeft: UInt64
        var avoided: Int
        var withoutFiles: Int
        /// CPUs and memory left, each in thousandths of the node.
        var thousandthsLeft: UInt64

        static func < (left: Score, right: Score) -> Bool {
            let leftFirst = (left.failedBefore, left.gpusLeft, left.gpuMemoryTaken, left.quartersLeft)
            let rightFirst = (right.failedBefore, right.gpusLeft, right.gpuMemoryTaken, right.quartersLeft)
            if leftFirst != rightFirst { return leftFirst < rightFirst }
            return (left.avoided, left.withoutFiles, left.thousandthsLeft)
                < (right.avoided, right.withoutFiles, right.thousandthsLeft)
        }
    }

    func fits(_ resources: Resources) -> Bool {
        // The two that are looked at first need no arithmetic: most rooms of a busy mesh end here.
        free.cpuMillis >= resources.cpuMillis && free.gpus.count >= Int(resources.gpus)
            && Fit(resources, into: free, of: capacity).isPossible
    }

    /// Only of a room that fits.
    func score(_ resources: Resources, _ holders: [NodeID], _ history: [Attempt], avoid: NodeID?) -> Score {
        let cpus = free.cpuMillis - resources.cpuMillis
        let memory = free.memoryBytes - MemoryRule.bytes(for: resources, on: capacity)
        let failed = history.contains { attempt in
            if attempt.node == id, case .hostFailed = attempt.outcome { return true }
            return false
        }
        return Score(
            failedBefore: failed ? 1 : 0, gpusLeft: free.gpus.count - Int(resources.gpus),
            gpuMemoryTaken: chosenGPUs(resources).reduce(0) { $0 &+ $1.marketedMemoryBytes },
            quartersLeft: Self.part(cpus, of: capacity.cpuMillis, in: 4)
                + Self.part(memory, of: capacity.memoryBytes, in: 4),
            avoided: id == avoid ? 1 : 0, withoutFiles: holders.contains(id) ? 0 : 1,
            thousandthsLeft: Self.part(cpus, of: capacity.cpuMillis, in: 1000)
                + Self.part(memory, of: capacity.memoryBytes, in: 1000))
    }

    /// Gives the attempt what it asks for.
    mutating func take(_ resources: Resources, _ attempt: AttemptKey, _ checkpoint: UInt64?) -> Placement {
        let gpus = chosenGPUs(resources).map(\.index)
        let placement = Placement(
            attempt: attempt, node: id, gpus: gpus, cpuMillis: resources.cpuMillis,
            memoryBytes: MemoryRule.bytes(for: resources, on: capacity), resumeFrom: checkpoint)
        free.cpuMillis -= placement.cpuMillis
        free.memoryBytes -= placement.memoryBytes
        if !gpus.isEmpty { free.gpus.removeAll { gpus.contains($0.index) } }
        return placement
    }

    /// Capacities are far below the range of the type (`SchedulerState` checks them), so the product fits.
    private static func part(_ left: UInt64, of whole: UInt64, in parts: UInt64) -> UInt64 {
        whole / parts == 0 ? 0 : min(parts, left / (whole / parts))
    }

    /// The smallest devices that do, in the order of their index.
    private func chosenGPUs(_ resources: Resources) -> [GPU] {
        guard resources.gpus > 0 else { return [] }
        let usable = Fit.usable(free.gpus, for: resources)
        let chosen = usable.sorted {
            $0.marketedMemoryBytes != $1.marketedMemoryBytes
                ? $0.marketedMemoryBytes < $1.marketedMemoryBytes : $0.index < $1.index
        }.prefix(Int(resources.gpus))
        return chosen.sorted { $0.index < $1.index }
    }
}
