/// How much memory a task holds on a node.
public enum MemoryRule {
    /// What every task gets that asked for nothing, where the node has it: 2 GiB.
    public static let leastBytes: UInt64 = 2 << 30

    /// What was asked; else the share of the node's memory that the asked CPUs are of its CPUs, at least `leastBytes`
    /// and at most the whole node.
    public static func bytes(for resources: Resources, on capacity: Capacity) -> UInt64 {
        if let asked = resources.memoryBytes { return asked }
        guard capacity.cpuMillis > 0 else { return min(leastBytes, capacity.memoryBytes) }
        let cpus = min(resources.cpuMillis, capacity.cpuMillis)
        let product = capacity.memoryBytes.multipliedFullWidth(by: cpus)
        // The quotient is at most the node's memory, so it cannot overflow.
        let share = capacity.cpuMillis.dividingFullWidth(product).quotient
        return min(capacity.memoryBytes, max(leastBytes, share))
    }
}
