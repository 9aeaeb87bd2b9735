import Codec
import Scheduler

/// How long a host keeps what ended jobs wrote and made: for a week, and of that what came last. Beyond 10 GiB the oldest go
/// earlier, but nothing within a day of its job's end, so that whoever was away for a night finds it.
enum Retention {
    static let longest: Int64 = 7 * 86_400_000_000_000
    static let shortest: Int64 = 86_400_000_000_000
    static let bytes: UInt64 = 10 << 30

    /// What one ended job has here.
    struct Kept: Hashable, Sendable {
        var job: JobID
        /// Unix nanoseconds.
        var endedAt: Int64
        var bytes: UInt64
    }

    /// The jobs whose part goes now, ascending.
    static func overdue(_ kept: [Kept], at now: Int64, limit: UInt64 = bytes) -> [JobID] {
        var left = limit
        var overdue: [JobID] = []
        // The newest first; of two that ended together the later one is the newer.
        for one in kept.sorted(by: { ($0.endedAt, $0.job) > ($1.endedAt, $1.job) }) {
            let age = now - one.endedAt
            let fits = one.bytes <= left
            left -= min(left, one.bytes)
            if age >= longest || age >= shortest && !fits { overdue.append(one.job) }
        }
        return overdue.sorted()
    }

    /// The jobs whose results a node does not keep any more. All members come to the same answer.
    static func overdueResults(of node: NodeID, in state: SchedulerState) -> Set<JobID> {
        var kept: [Kept] = []
        for job in state.jobs {
            guard let endedAt = job.endedAt else { continue }
            var bytes: UInt64 = 0
            var hasResults = false
            for index in 0..<job.spec.tasks {
                guard let results = state.task(TaskKey(job: job.id, index: index))?.results,
                    results.holders.contains(node)
                else { continue }
                hasResults = true
                bytes &+= results.bytes
            }
            if hasResults { kept.append(Kept(job: job.id, endedAt: endedAt, bytes: bytes)) }
        }
        return Set(overdue(kept, at: state.time))
    }
}
