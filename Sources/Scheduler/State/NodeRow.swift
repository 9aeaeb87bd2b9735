import Codec

/// What the state holds of a node.
struct NodeRow: Sendable {
    var record: NodeRecord
    /// Attempts placed here that have not ended, ascending. Derived, as are the three below.
    private(set) var attempts: [AttemptKey] = []
    private(set) var usedCPUMillis: UInt64 = 0
    private(set) var usedMemoryBytes: UInt64 = 0
    /// Indices, ascending.
    private(set) var usedGPUs: [UInt32] = []

    init(record: NodeRecord) { self.record = record }

    /// What is not held by attempts. A node that came back smaller than what it holds has nothing free.
    var free: Capacity {
        let capacity = record.capacity
        return Capacity(
            cpuMillis: capacity.cpuMillis > usedCPUMillis ? capacity.cpuMillis - usedCPUMillis : 0,
            memoryBytes: capacity.memoryBytes > usedMemoryBytes ? capacity.memoryBytes - usedMemoryBytes : 0,
            gpus: usedGPUs.isEmpty ? capacity.gpus : capacity.gpus.filter { !usedGPUs.containsSorted($0.index) })
    }

    /// Whether the placement is possible now, whoever decided it and when.
    func canHold(_ placement: Placement) -> Bool {
        let free = self.free
        guard placement.cpuMillis <= free.cpuMillis, placement.memoryBytes <= free.memoryBytes else { return false }
        var previous: UInt32?
        for gpu in placement.gpus {
            guard free.gpus.contains(where: { $0.index == gpu }), previous.map({ $0 < gpu }) ?? true else {
                return false
            }
            previous = gpu
        }
        return true
    }

    mutating func hold(_ key: AttemptKey, _ attempt: Attempt) {
        guard attempts.insertSorted(key) else { return }
        usedCPUMillis += attempt.cpuMillis
        usedMemoryBytes += attempt.memoryBytes
        for gpu in attempt.gpus { usedGPUs.insertSorted(gpu) }
    }

    mutating func release(_ key: AttemptKey, _ attempt: Attempt) {
        guard attempts.removeSorted(key) else { return }
        usedCPUMillis -= attempt.cpuMillis
        usedMemoryBytes -= attempt.memoryBytes
        for gpu in attempt.gpus { usedGPUs.removeSorted(gpu) }
    }
}
