import Codec

extension Placement {
    /// What the leader should propose now: at most `limit` placements on the present nodes that `mayTake` allows.
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
        var planner = Planner(state, mayTake: mayTake, avoid: avoid)
        return planner.plan(limit: limit, ahead: ahead)
    }

    /// Why tasks of a job wait, for `ps`; nil where none does.
    public static func reason(_ state: SchedulerState, job: JobID) -> String? {
        guard let position = state.jobRows.find(job), !state.jobRows[position].pending.isEmpty else { return nil }
        let resources = state.jobRows[position].spec.value.resources
        let present = state.nodeRows.map(\.row).filter { $0.record.presence == .present }
        guard !present.isEmpty else { return "no node is present" }
        let fits = present.map { Fit(resources, into: $0.free, of: $0.record.capacity) }
        if fits.contains(where: \.isPossible) { return "is being placed" }
        if !present.contains(where: { Fit.everFits(resources, $0.record.capacity) }) {
            let lost = state.members.first { Fit.everFits(resources, $0.capacity) }
            if let lost { return "waits for \(lost.name) to return" }
            return "waits for \(asked(resources)), which no node has"
        }
        let fitEver = zip(present, fits).filter { Fit.everFits(resources, $0.0.record.capacity) }.map(\.1)
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
