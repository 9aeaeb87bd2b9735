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

    /// Why tasks of a job wait, for `ps`; nil where none does.
    public static func reason(_ state: SchedulerState, job: JobID) -> String? {
        guard let position = state.jobRows.find(job), !state.jobRows[position].pending.isEmpty else { return nil }
        let resources = state.jobRows[position].spec.value.resources
        var isAnyPresent = false
        var fitsNow = false
        var fitEver: [Fit] = []
        state.nodeRows.forEach(from: nil) { (_, row) in
            guard row.record.presence == .present else { return true }
            isAnyPresent = true
            let fit = Fit(resources, into: row.free, of: row.record.capacity)
            fitsNow = fit.isPossible
            if !fitEver.contains(fit), Fit.everFits(resources, row.record.capacity) { fitEver.append(fit) }
            return !fitsNow
        }
        guard isAnyPresent else { return "no node is present" }
        if fitsNow { return "is being placed" }
        if fitEver.isEmpty {
            let lost = state.members.first { Fit.everFits(resources, $0.capacity) }
            if let lost { return "waits for \(lost.name) to return" }
            return "waits for \(asked(resources)), which no node has"
        }
        if fitEver.allSatisfy(\.lacksGPUs) { return "waits for \(askedGPUs(resources))" }
        if fitEver.allSatisfy(\.lacksCPUs) { return "waits for \(Wording.cpuCount(resources.cpuMillis))" }
        if fitEver.allSatisfy(\.lacksMemory) {
            return resources.memoryBytes.map { "waits for \(Wording.size($0)) of memory" } ?? "waits for memory"
        }
        return "waits for \(asked(resources))"
    }

    private static func asked(_ resources: Resources) -> String { Fit.describe(resources) + " on one node" }

    private static func askedGPUs(_ resources: Resources) -> String {
        Fit.describeGPUs(resources) + (resources.gpus > 1 ? " on one node" : "")
    }
}
