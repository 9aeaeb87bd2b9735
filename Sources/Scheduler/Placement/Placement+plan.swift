import Codec

extension Placement {
    /// What the leader should propose now, decided in one go: at most `limit` placements on the present nodes that `mayTake` allows.
    ///
    /// Best fit: fewest GPUs left over, the smallest devices that do, then the fullest node; among equals not `avoid`
    /// (the leader itself), then a node that has the files already.
    ///
    /// - Parameter ahead: how many tasks of a job may wait on a node for each of its attempts there, so that the next
    ///   begins when one ends and does not wait for the log.
    public static func plan(
        _ state: SchedulerState, avoid: NodeID? = nil, limit: Int = 1_000, ahead: (JobID) -> Int = { _ in 0 },
        mayTake: (NodeID) -> Bool = { _ in true }
    ) -> [Placement] {
        var round = PlacementRound(avoid: avoid, limit: limit)
        while !round.advance(state, ahead: ahead, mayTake: mayTake) {}
        return round.placements
    }

    /// Where the next attempt of a task would go now, beside everything that runs; nil where it would wait.
    public static func room(_ state: SchedulerState, for key: TaskKey) -> NodeID? {
        guard let position = state.jobRows.find(key.job), key.index < state.jobRows[position].tasks.count else {
            return nil
        }
        let spec = state.jobRows[position].spec.value
        let task = state.jobRows[position].tasks[key.index]
        let checkpoint = task.checkpoints.isEmpty ? nil : state.newestCheckpoint(key, where: state.isPresent)
        let holders = checkpoint?.holders ?? spec.workingTree.map { state.holders(ofTree: $0) } ?? []
        var best: (id: NodeID, score: Room.Score)?
        state.nodeRows.forEach(from: nil) { (id, row) in
            guard row.record.takesWork else { return true }
            let room = Room(id: id, capacity: row.record.capacity, free: row.free)
            guard room.fits(spec.resources) else { return true }
            let score = room.score(spec.resources, holders, task.attempts, avoid: nil)
            if best.map({ score < $0.score }) ?? true { best = (id, score) }
            return true
        }
        return best?.id
    }

    /// Why tasks of a job wait, for `ps`; nil where none does.
    public static func reason(_ state: SchedulerState, job: JobID) -> String? {
        guard let position = state.jobRows.find(job), !state.jobRows[position].pending.isEmpty else { return nil }
        if let gang = state.jobRows[position].spec.value.gang { return reason(state, state.jobRows[position], gang) }
        let resources = state.jobRows[position].spec.value.resources
        var isAnyPresent = false
        var fitsNow = false
        var fitEver: [Fit] = []
        state.nodeRows.forEach(from: nil) { (_, row) in
            guard row.record.takesWork else { return true }
            isAnyPresent = true
            let fit = Fit(resources, into: row.free, of: row.record.capacity)
            fitsNow = fit.isPossible
            if !fitEver.contains(fit), Fit.everFits(resources, row.record.capacity) { fitEver.append(fit) }
            return !fitsNow
        }
        guard isAnyPresent else { return "no node takes work" }
        if fitsNow { return "is being placed" }
        if fitEver.isEmpty {
            if let able = state.members.first(where: { $0.mayRunWork && Fit.everFits(resources, $0.capacity) }) {
                return "waits for \(able.name) to \(able.presence == .present ? "take work" : "return")"
            }
            return "waits for \(asked(resources)), which no node has"
        }
        if fitEver.allSatisfy(\.lacksGPUs) {
            return "waits for \(askedGPUs(resources))" + (obstacle(state, resources).map { "; \($0)" } ?? "")
        }
        if fitEver.allSatisfy(\.lacksCPUs) { return "waits for \(Wording.cpuCount(resources.cpuMillis))" }
        if fitEver.allSatisfy(\.lacksMemory) {
            return resources.memoryBytes.map { "waits for \(Wording.size($0)) of memory" } ?? "waits for memory"
        }
        return "waits for \(asked(resources))"
    }

    /// `GPU 0 of owl is in use by bob (4711)`: one device that would do, if something did not keep jobs from it.
    private static func obstacle(_ state: SchedulerState, _ resources: Resources) -> String? {
        for member in state.members where member.takesWork {
            for gpu in Fit.usable(member.capacity.gpus, for: resources) {
                guard let obstacle = gpu.obstacle else { continue }
                let verb = obstacle.kind == .inUse ? "is " : "is out of order: "
                return "GPU \(gpu.index) of \(member.name) \(verb)\(obstacle.text)"
            }
        }
        return nil
    }

    private static func asked(_ resources: Resources) -> String { Fit.describe(resources) + " on one node" }

    private static func askedGPUs(_ resources: Resources) -> String {
        Fit.describeGPUs(resources) + (resources.gpus > 1 ? " on one node" : "")
    }
}
