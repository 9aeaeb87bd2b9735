import Codec
import Scheduler

/// How long the tasks of each array take, as far as this leader has seen: how far ahead they may be placed.
///
/// Work that lies ahead on a node is decided work, which others wait behind: it is never more than `NodeConstants.ahead`
/// of what the tasks took so far, and nothing for tasks that take longer.
struct TaskPace: Sendable {
    private struct Pace: Sendable {
        var ended = 0
        /// Mean of the last few, in nanoseconds.
        var mean: Int64 = 0
    }

    /// Ascending by job.
    private var jobs: [(job: JobID, pace: Pace)] = []

    /// What starting and ending a process takes beside what it runs for.
    private static let overhead: Int64 = 1_000_000
    /// Fewer say nothing.
    private static let endedMin = 4
    /// Arrays that are watched at once; others are placed without looking ahead.
    private static let jobsMax = 64
    /// How a task counts that its node gave back: as one that took this long.
    private static let returned: Int64 = 1_000_000_000

    mutating func ended(_ attempt: Attempt, of job: JobID, with outcome: Outcome) {
        let took =
            outcome == .returned ? Self.returned : (attempt.endedAt ?? 0) - (attempt.startedAt ?? attempt.placedAt)
        let at = jobs.firstIndex { $0.job >= job } ?? jobs.endIndex
        if at == jobs.endIndex || jobs[at].job != job {
            if jobs.count >= Self.jobsMax { return }
            jobs.insert((job, Pace()), at: at)
        }
        let nanoseconds = max(0, took)
        let weight = Int64(min(jobs[at].pace.ended + 1, 8))
        if outcome == .returned { jobs[at].pace.mean = nanoseconds }
        jobs[at].pace.mean += (nanoseconds - jobs[at].pace.mean) / weight
        jobs[at].pace.ended += 1
    }

    mutating func forget(_ job: JobID) { jobs.removeAll { $0.job == job } }

    /// How many tasks may wait behind each attempt of the job.
    func depth(of job: JobID) -> Int {
        guard let pace = jobs.first(where: { $0.job == job })?.pace, pace.ended >= Self.endedMin else { return 0 }
        return Int(NodeConstants.ahead.nanoseconds / (pace.mean + Self.overhead))
    }
}
