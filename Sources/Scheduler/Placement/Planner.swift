import Codec

/// One round of placing: best fit over CPUs, memory and GPUs, jobs in the order they came.
///
/// A job whose tasks fit nowhere does not hold up later ones. Nothing here is replicated, so it may change between
/// versions. The round works on copies of what is free; `apply` checks each placement again.
struct Planner {
    /// Waiting jobs that one round looks at.
    static let jobsExaminedMax = 4_096

    /// What is left of a node in this round.
    private struct Room {
        let id: NodeID
        let capacity: Capacity
        var free: Capacity
    }

    /// Why one room is better than another: the smaller the better, the first difference decides.
    private struct Score: Comparable {
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

    private let state: SchedulerState
    private let avoid: NodeID?
    private var rooms: [Room] = []
    /// Requests that fitted nowhere in this round; only asked whether it holds one, never walked through.
    private var hopeless: Set<Resources> = []

    init(_ state: SchedulerState, mayTake: (NodeID) -> Bool, avoid: NodeID?) {
        self.state = state
        self.avoid = avoid
        for (id, row) in state.nodeRows where row.record.presence == .present && mayTake(id) {
            rooms.append(Room(id: id, capacity: row.record.capacity, free: row.free))
        }
    }

    mutating func plan(limit: Int, ahead: (JobID) -> Int = { _ in 0 }) -> [Placement] {
        var placements: [Placement] = []
        var examined = 0
        // Only the first job that could use the room at all: the line of a later one would pass it by.
        var mayGoAhead = true
        for (job, _) in state.waiting {
            guard placements.count < limit, examined < Self.jobsExaminedMax else { break }
            examined += 1
            guard let rest = place(job, limit: limit, into: &placements), mayGoAhead,
                let resources = state.jobRows[job]?.spec.value.resources,
                rooms.contains(where: { Fit.everFits(resources, $0.capacity) })
            else { continue }
            mayGoAhead = false
            placeAhead(job, from: rest, depth: ahead(job), limit: limit, into: &placements)
        }
        return placements
    }

    /// Lines of tasks that nobody has tried yet, behind the attempts of their job. A line is filled when it is half empty,
    /// so that many go into one entry.
    private func placeAhead(
        _ job: JobID, from first: UInt32, depth: Int, limit: Int, into placements: inout [Placement]
    ) {
        guard depth > 0, let row = state.jobRows[job], row.spec.value.resources.gpus == 0,
            // Lost with its node, it could not be told from one that had begun.
            row.spec.value.retry != .never
        else { return }
        let resources = row.spec.value.resources
        var lines: [(room: Room, open: Int)] = []
        for room in rooms {
            guard let node = state.nodeRows[room.id] else { continue }
            let wanted = min(
                state.rooms(of: job, on: node, atMost: .max) * depth, SchedulerLimits.waitingPerNodeMax)
            let have = node.line.count
            if have < wanted, have * 2 <= wanted { lines.append((room, wanted - have)) }
        }
        for range in row.pending.ranges where range.upperBound > first {
            for index in range where index >= first && row.tasks[index].attempts.isEmpty {
                guard placements.count < limit, let last = lines.indices.last else { return }
                let room = lines[last].room
                placements.append(
                    Placement(
                        attempt: AttemptKey(TaskKey(job: job, index: index), attempt: 1), node: room.id,
                        cpuMillis: resources.cpuMillis,
                        memoryBytes: MemoryRule.bytes(for: resources, on: room.capacity),
                        waits: true))
                lines[last].open -= 1
                if lines[last].open == 0 { lines.removeLast() }
            }
        }
    }

    /// The first task of the job that has no place, where some wait.
    private mutating func place(_ job: JobID, limit: Int, into placements: inout [Placement]) -> UInt32? {
        guard let position = state.jobRows.find(job) else { return nil }
        let row = state.jobRows[position]
        let resources = row.spec.value.resources
        if hopeless.contains(resources) { return row.pending.ranges.first?.lowerBound }
        let treeHolders = row.spec.value.workingTree.map { state.holders(ofTree: $0) } ?? []
        var lastRoom: Int?
        for range in row.pending.ranges {
            for index in range {
                guard placements.count < limit else { return index }
                let task = row.tasks[index]
                let key = TaskKey(job: job, index: index)
                let checkpoint = task.checkpoints.isEmpty ? nil : state.newestCheckpoint(key, where: state.isPresent)
                // A room that was best stays best while it fills, unless this task has a history of its own.
                let fresh = task.attempts.isEmpty ? lastRoom : nil
                let reused = fresh.flatMap { fits(resources, in: rooms[$0]) ? $0 : nil }
                let holders = checkpoint?.holders ?? treeHolders
                guard let room = reused ?? best(resources, holders: holders, history: task.attempts) else {
                    hopeless.insert(resources)
                    return index
                }
                lastRoom = task.attempts.isEmpty ? room : nil
                placements.append(
                    take(room, resources, AttemptKey(key, attempt: task.nextAttempt), checkpoint?.number))
            }
        }
        return nil
    }

    private func fits(_ resources: Resources, in room: Room) -> Bool {
        Fit(resources, into: room.free, of: room.capacity).isPossible
    }

    private func best(_ resources: Resources, holders: [NodeID], history: [Attempt]) -> Int? {
        var best: (index: Int, score: Score)?
        for index in rooms.indices where fits(resources, in: rooms[index]) {
            let score = score(rooms[index], resources, holders, history)
            if let known = best, known.score <= score { continue }
            best = (index, score)
        }
        return best?.index
    }

    private func score(_ room: Room, _ resources: Resources, _ holders: [NodeID], _ history: [Attempt]) -> Score {
        let cpus = room.free.cpuMillis - resources.cpuMillis
        let memory = room.free.memoryBytes - MemoryRule.bytes(for: resources, on: room.capacity)
        let failed = history.contains { attempt in
            if attempt.node == room.id, case .hostFailed = attempt.outcome { return true }
            return false
        }
        return Score(
            failedBefore: failed ? 1 : 0, gpusLeft: room.free.gpus.count - Int(resources.gpus),
            gpuMemoryTaken: chosenGPUs(resources, room).reduce(0) { $0 &+ $1.marketedMemoryBytes },
            quartersLeft: Self.part(cpus, of: room.capacity.cpuMillis, in: 4)
                + Self.part(memory, of: room.capacity.memoryBytes, in: 4),
            avoided: room.id == avoid ? 1 : 0, withoutFiles: holders.contains(room.id) ? 0 : 1,
            thousandthsLeft: Self.part(cpus, of: room.capacity.cpuMillis, in: 1000)
                + Self.part(memory, of: room.capacity.memoryBytes, in: 1000))
    }

    /// Capacities are far below the range of the type (`SchedulerState` checks them), so the product fits.
    private static func part(_ left: UInt64, of whole: UInt64, in parts: UInt64) -> UInt64 {
        whole / parts == 0 ? 0 : min(parts, left / (whole / parts))
    }

    /// The smallest devices that do, in the order of their index.
    private func chosenGPUs(_ resources: Resources, _ room: Room) -> [GPU] {
        guard resources.gpus > 0 else { return [] }
        let usable = Fit.usable(room.free.gpus, for: resources)
        let chosen = usable.sorted {
            $0.marketedMemoryBytes != $1.marketedMemoryBytes
                ? $0.marketedMemoryBytes < $1.marketedMemoryBytes : $0.index < $1.index
        }.prefix(Int(resources.gpus))
        return chosen.sorted { $0.index < $1.index }
    }

    private mutating func take(
        _ index: Int, _ resources: Resources, _ attempt: AttemptKey, _ checkpoint: UInt64?
    ) -> Placement {
        let gpus = chosenGPUs(resources, rooms[index]).map(\.index)
        let placement = Placement(
            attempt: attempt, node: rooms[index].id, gpus: gpus, cpuMillis: resources.cpuMillis,
            memoryBytes: MemoryRule.bytes(for: resources, on: rooms[index].capacity), resumeFrom: checkpoint)
        rooms[index].free.cpuMillis -= placement.cpuMillis
        rooms[index].free.memoryBytes -= placement.memoryBytes
        rooms[index].free.gpus.removeAll { gpus.contains($0.index) }
        return placement
    }
}
