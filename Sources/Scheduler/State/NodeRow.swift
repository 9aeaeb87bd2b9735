import Codec

/// What the state holds of a node.
struct NodeRow: Sendable {
    var record: NodeRecord
    /// Attempts placed here that have not ended, ascending. Derived, as are the four below.
    private(set) var attempts: [AttemptKey] = []
    private(set) var usedCPUMillis: UInt64 = 0
    private(set) var usedMemoryBytes: UInt64 = 0
    /// Indices, ascending.
    private(set) var usedGPUs: [UInt32] = []
    /// Those of the attempts that wait for the room of another one of their job, by their turn.
    private(set) var line: [Waiting] = []

    struct Waiting: Hashable, Sendable {
        var turn: UInt64
        var key: AttemptKey
    }

    init(record: NodeRecord) { self.record = record }

    /// What is not held by attempts. A node that came back smaller than what it holds has nothing free.
    var free: Capacity {
        let capacity = record.capacity
        return Capacity(
            cpuMillis: capacity.cpuMillis > usedCPUMillis ? capacity.cpuMillis - usedCPUMillis : 0,
            memoryBytes: capacity.memoryBytes > usedMemoryBytes ? capacity.memoryBytes - usedMemoryBytes : 0,
            gpus: isEveryGPUFree ? capacity.gpus : capacity.gpus.filter(isFree))
    }

    private var isEveryGPUFree: Bool { usedGPUs.isEmpty && record.capacity.gpus.allSatisfy { $0.obstacle == nil } }

    private func isFree(_ gpu: GPU) -> Bool { gpu.obstacle == nil && !usedGPUs.containsSorted(gpu.index) }

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

    /// Whether the sums have room for what the attempt holds: in a damaged snapshot it may be anything.
    func canCount(_ attempt: Attempt) -> Bool {
        attempt.turn ?? 0 < .max && !usedCPUMillis.addingReportingOverflow(attempt.cpuMillis).overflow
            && !usedMemoryBytes.addingReportingOverflow(attempt.memoryBytes).overflow
    }

    mutating func hold(_ key: AttemptKey, _ attempt: Attempt) {
        guard attempts.insertSorted(key) else { return }
        if let turn = attempt.turn {
            let place = line.lastIndex { $0.turn < turn }.map { $0 + 1 } ?? 0
            return line.insert(Waiting(turn: turn, key: key), at: place)
        }
        usedCPUMillis += attempt.cpuMillis
        usedMemoryBytes += attempt.memoryBytes
        for gpu in attempt.gpus { usedGPUs.insertSorted(gpu) }
    }

    mutating func release(_ key: AttemptKey, _ attempt: Attempt) {
        guard attempts.removeSorted(key) else { return }
        if attempt.turn != nil { return line.removeAll { $0.key == key } }
        usedCPUMillis -= attempt.cpuMillis
        usedMemoryBytes -= attempt.memoryBytes
        for gpu in attempt.gpus { usedGPUs.removeSorted(gpu) }
    }

    /// The turn of one that joins the line now.
    var nextTurn: UInt64 { (line.last?.turn ?? 0) + 1 }

    /// Who takes over room of this job next.
    func next(of job: JobID) -> AttemptKey? { line.first { $0.key.job == job }?.key }
}
