import Codec

/// Why a gang waits, and whether it ever could run.
extension Placement {
    /// Why the ranks of a gang wait, for `ps`.
    static func reason(_ state: SchedulerState, _ row: JobRow, _ gang: GangSpec) -> String {
        if row.counts[.pending] < row.tasks.count { return "waits for its other ranks to end" }
        let task = row.spec.value.resources
        var present: UInt64 = 0
        var able: UInt64 = 0
        var free: UInt64 = 0
        var missing: NodeRecord?
        state.nodeRows.forEach(from: nil) { (_, node) in
            let record = node.record
            guard record.presence != .left, record.mayRunWork else { return true }
            if record.takesWork { present += 1 }
            guard let share = gang.share(of: task, on: record.capacity), Fit.everFits(share, record.capacity) else {
                return true
            }
            guard record.takesWork else {
                if missing == nil { missing = record }
                return true
            }
            able += 1
            if Fit(share, into: node.free, of: record.capacity).isPossible { free += 1 }
            return true
        }
        let nodes = UInt64(gang.nodes)
        let asked = describe(gang, task)
        if present == 0 { return "no node takes work" }
        if free >= nodes { return "is being placed" }
        if able < nodes {
            if let missing {
                return "waits for \(missing.name) to \(missing.presence == .present ? "take work" : "return")"
            }
            return "waits for \(asked); \(able == 0 ? "no node has that" : "\(Wording.count(able, "node")) could")"
        }
        return "waits for \(asked); free on \(free) of \(able)"
    }

    /// `2 nodes with 4 CPUs and 2 GPUs each`: what all its ranks on a node need together.
    static func describe(_ gang: GangSpec, _ task: Resources) -> String {
        let count = UInt64(gang.tasksPerNode)
        let sum = Resources(
            cpuMillis: task.cpuMillis.multipliedReportingOverflow(by: count).partialValue,
            memoryBytes: task.memoryBytes.map { $0.multipliedReportingOverflow(by: count).partialValue },
            gpus: task.gpus.multipliedReportingOverflow(by: gang.tasksPerNode).partialValue,
            gpuMemoryBytes: task.gpuMemoryBytes)
        return "\(Wording.count(UInt64(gang.nodes), "node")) with \(Fit.describe(sum))"
            + (gang.nodes > 1 ? " each" : "")
    }

    /// Whether the next attempt of a task would find room now without its node, where that takes no more work: for a rank
    /// of a gang, whether all of them would, once they have ended where they are.
    public static func hasRoom(_ state: SchedulerState, for key: TaskKey) -> Bool {
        guard let position = state.jobRows.find(key.job), let gang = state.jobRows[position].spec.value.gang else {
            return room(state, for: key) != nil
        }
        let task = state.jobRows[position].spec.value.resources
        var able = 0
        state.nodeRows.forEach(from: nil) { (_, row) in
            guard row.record.takesWork, let share = gang.share(of: task, on: row.record.capacity) else { return true }
            var free = row
            for attempt in row.attempts where attempt.job == key.job {
                if let live = state.attempt(attempt) { free.release(attempt, live) }
            }
            if Fit(share, into: free.free, of: row.record.capacity).isPossible { able += 1 }
            return able < Int(gang.nodes)
        }
        return able >= Int(gang.nodes)
    }
}

extension Fit {
    /// Nil where the members could hold the job when empty, even lost ones; else the refusal that says what is missing.
    static func refusal(of spec: JobSpec, by state: SchedulerState) -> SchedulerError? {
        guard let gang = spec.gang else { return refusal(of: spec.resources, by: state) }
        var able: [String] = []
        var nearest: (member: NodeRecord, fit: Fit)?
        state.nodeRows.forEach(from: nil) { (_, row) in
            let record = row.record
            guard record.presence != .left, record.mayRunWork else { return true }
            guard let share = gang.share(of: spec.resources, on: record.capacity) else { return true }
            let fit = Fit(share, into: record.capacity, of: record.capacity)
            if fit.isPossible { able.append(record.name) }
            if !fit.isPossible, nearest.map({ isNearer((record, fit), than: $0, share) }) ?? true {
                nearest = (record, fit)
            }
            return able.count < Int(gang.nodes)
        }
        if able.count >= Int(gang.nodes) { return nil }
        let could = able.isEmpty ? "no member has that" : "only \(Wording.joined(Array(able.prefix(8)))) could"
        let other =
            nearest.map {
                "the nearest\(able.isEmpty ? "" : " other") is \($0.member.name) with \(describe($0.member.capacity))"
            }
            ?? "it has no other members"
        let wayOut =
            able.isEmpty
            ? "ask for less on each node: --tasks-per-node, --cpus, --mem, --gpus. To wait for larger hosts: --allow-pending"
            : "it fits with --nodes \(able.count). To wait for another host: --allow-pending"
        return .gangNeverFits(
            asks: Placement.describe(gang, spec.resources), able: could, nearest: other, wayOut: wayOut)
    }
}
