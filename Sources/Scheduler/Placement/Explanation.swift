import Codec

/// Why a job waits, node by node, and what would let it begin.
public struct Explanation: Hashable, Sendable {
    public struct Row: Hashable, Sendable {
        public var node: NodeID
        /// Of the node that are large enough for the job, and of those the free ones; nil: nobody knows.
        public var gpus: UInt32
        public var freeGPUs: UInt32?
        /// Why the job is not there.
        public var reason: String

        public init(node: NodeID, gpus: UInt32, freeGPUs: UInt32?, reason: String) {
            self.node = node
            self.gpus = gpus
            self.freeGPUs = freeGPUs
            self.reason = reason
        }
    }

    public var rows: [Row]
    /// What has to happen; nil: nothing that is to be expected.
    public var startsWhen: String?
    /// What could be asked instead, to begin now: flags, and a node that has that.
    public var startsNow: String?

    public init(rows: [Row], startsWhen: String?, startsNow: String?) {
        self.rows = rows
        self.startsWhen = startsWhen
        self.startsNow = startsNow
    }
}

extension Placement {
    /// What keeps the waiting tasks of a job from each node; nil where none waits.
    ///
    /// - Parameter now: nanoseconds since the Unix epoch.
    public static func explain(_ state: SchedulerState, job id: JobID, now: Int64) -> Explanation? {
        guard let position = state.jobRows.find(id), !state.jobRows[position].pending.isEmpty else { return nil }
        let spec = state.jobRows[position].spec.value
        var explanation = Explanation(rows: [], startsWhen: nil, startsNow: nil)
        var waiting: [String] = []
        var busy: [(name: String, jobs: [JobID])] = []
        var best: (text: String, lacks: Int)?
        for isPresent in [true, false] {
            state.nodeRows.forEach(from: nil) { (node, row) in
                let record = row.record
                guard record.presence != .left, record.mayRunWork, (record.presence == .present) == isPresent else {
                    return true
                }
                // All ranks of a gang on a node together.
                guard let share = spec.gang.map({ $0.share(of: spec.resources, on: record.capacity) }) ?? spec.resources
                else { return true }
                let ever = Fit(share, into: record.capacity, of: record.capacity)
                let fit = Fit(share, into: row.free, of: record.capacity)
                let usable = Fit.usable(record.capacity.gpus, for: share).count
                var reason = ever.isPossible ? busyText(fit, share, row) : neverText(ever, share, record.capacity)
                if !record.takesWork {
                    reason = absence(record, now) + (ever.isPossible ? "; would fit" : "; \(reason)")
                    if ever.isPossible {
                        waiting.append(record.name + (record.presence == .present ? " takes work" : " returns"))
                    }
                } else if ever.isPossible {
                    var jobs: [JobID] = []
                    for key in row.attempts where jobs.last != key.job { jobs.append(key.job) }
                    busy.append((record.name, jobs))
                }
                if record.takesWork, !fit.isPossible, spec.gang == nil,
                    let less = less(share, fit, row), best.map({ fit.lackCount < $0.lacks }) ?? true
                {
                    best = (less, fit.lackCount)
                }
                explanation.rows.append(
                    .init(
                        node: node, gpus: UInt32(clamping: usable),
                        freeGPUs: isPresent ? UInt32(clamping: Fit.usable(row.free.gpus, for: share).count) : nil,
                        reason: reason))
                return true
            }
        }
        explanation.startsWhen = startsWhen(busy, waiting)
        explanation.startsNow = best?.text
        return explanation
    }

    private static func startsWhen(_ busy: [(name: String, jobs: [JobID])], _ waiting: [String]) -> String? {
        guard let first = busy.min(by: { $0.jobs.count < $1.jobs.count }) else { return waiting.first }
        guard !first.jobs.isEmpty else { return "it has its turn" }
        let shown = first.jobs.prefix(4).map { "\($0)" } + (first.jobs.count > 4 ? ["others"] : [])
        return first.jobs.count == 1
            ? "job \(shown[0]) ends on \(first.name)"
            : "enough of jobs \(Wording.joined(shown)) end on \(first.name)"
    }

    /// `dead for 4m10s`
    private static func absence(_ record: NodeRecord, _ now: Int64) -> String {
        if case .lost(let since) = record.presence {
            return "dead for \(TimeSpan.text(Interval(nanoseconds: max(0, now - since))))"
        }
        if let absence = record.absence {
            let away = TimeSpan.text(Interval(nanoseconds: max(0, now - absence.since)))
            return "away for \(away), is waited for up to \(TimeSpan.text(Interval(nanoseconds: absence.nanoseconds)))"
        }
        if let drain = record.drain { return "\(drain.kind == .cordon ? "cordoned" : "drained") by \(drain.by)" }
        return record.capacity.closed ?? "takes no work"
    }

    /// `has 1 GPU`
    private static func neverText(_ fit: Fit, _ resources: Resources, _ capacity: Capacity) -> String {
        var parts: [String] = []
        if fit.lacksGPUs {
            let usable = UInt64(Fit.usable(capacity.gpus, for: resources).count)
            let size = resources.gpuMemoryBytes.map { " with \(Wording.size($0))" } ?? ""
            parts.append((usable == 0 ? "no GPU" : Wording.count(usable, "GPU")) + size)
        }
        if fit.lacksCPUs { parts.append(Wording.cpuCount(capacity.cpuMillis)) }
        if fit.lacksMemory { parts.append(Wording.size(capacity.memoryBytes)) }
        return "has " + Wording.joined(parts)
    }

    /// `1 of 2 GPUs is free`
    private static func busyText(_ fit: Fit, _ resources: Resources, _ row: NodeRow) -> String {
        let capacity = row.record.capacity
        if fit.lacksGPUs {
            let all = Fit.usable(capacity.gpus, for: resources)
            let free = Fit.usable(row.free.gpus, for: resources).count
            if let broken = all.first(where: { $0.obstacle != nil }), let obstacle = broken.obstacle {
                return "GPU \(broken.index) is \(obstacle.kind == .inUse ? "" : "out of order: ")\(obstacle.text)"
            }
            return "\(free) of \(Wording.count(UInt64(all.count), "GPU")) \(free == 1 ? "is" : "are") free"
        }
        if fit.lacksCPUs {
            return "\(Wording.cpus(row.free.cpuMillis)) of \(Wording.cpuCount(capacity.cpuMillis)) are free"
        }
        if fit.lacksMemory {
            return "\(Wording.size(row.free.memoryBytes)) of \(Wording.size(capacity.memoryBytes)) are free"
        }
        return "would fit; waits for its turn"
    }

    /// `--gpus 1 (crow, 1x GTX 1080 Ti 11 GiB)`: what fits there now; nil where nothing of a kind is free.
    private static func less(_ resources: Resources, _ fit: Fit, _ row: NodeRow) -> String? {
        let flags = Fit.smaller(resources, fit, row.free)
        guard !flags.isEmpty else { return nil }
        let gpus = Fit.describe(Capacity(cpuMillis: 0, memoryBytes: 0, gpus: row.free.gpus)).split(separator: ",")
            .dropFirst(2).joined(separator: ",")
        return flags.joined(separator: " ") + " (\(row.record.name)" + (resources.gpus > 0 ? ",\(gpus))" : ")")
    }
}
