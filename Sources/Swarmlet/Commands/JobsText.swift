import Codec
import Node
import Scheduler

/// Jobs as a table and as JSON.
enum JobsText {
    static let columns = ["ID", "NAME", "USER", "STATE", "TASKS", "GPUS", "NODE", "TIME", "TRY", "REASON"]

    static func table(_ jobs: [JobView], now: Instant) -> Table {
        var table = Table(columns)
        for job in jobs {
            table.add([
                "\(job.id)", job.name, job.user, state(job),
                job.tasks == 1 ? "1" : "\(job.tasksEnded)/\(job.tasks)",
                job.gpus == 0 ? nil : "\(job.gpus)", nodes(job.nodes), TimeSpan.text(time(job, now: now)),
                job.attempts == 0 ? nil : "\(job.attempts)", job.reason,
            ])
        }
        return table
    }

    static func state(_ job: JobView) -> String { job.frozen && !job.state.isEnded ? "frozen" : job.state.name }

    /// `n1`, or `n1+2` where two other nodes hold tasks of it as well.
    static func nodes(_ names: [String]) -> String? {
        var distinct: [String] = []
        for name in names where !distinct.contains(name) { distinct.append(name) }
        guard let first = distinct.first else { return nil }
        return distinct.count == 1 ? first : "\(first)+\(distinct.count - 1)"
    }

    static func time(_ job: JobView, now: Instant) -> Interval {
        let end = job.endedAt ?? now.nanoseconds
        return Interval(nanoseconds: max(0, end - (job.startedAt ?? job.submittedAt)))
    }

    static func json(_ job: JobView) -> JSON { .object(fields(job)) }

    static func fields(_ job: JobView) -> [(key: String, value: JSON)] {
        [
            ("id", .string("\(job.id)")),
            ("name", .string(job.name)),
            ("user", .string(job.user)),
            ("state", .string(state(job))),
            ("tasks", .integer(Int64(job.tasks))),
            ("tasks_ended", .integer(Int64(job.tasksEnded))),
            ("gpus", .integer(Int64(job.gpus))),
            ("nodes", .array(job.nodes.map { .string($0) })),
            ("submitted_at", .time(job.submittedAt)),
            ("started_at", .time(job.startedAt)),
            ("ended_at", .time(job.endedAt)),
            ("attempts", .integer(Int64(job.attempts))),
            ("reason", .optional(job.reason)),
            ("exit_code", .optional(job.exitCode)),
        ]
    }
}
