import Codec
import Node
import Scheduler

/// The end of a job, in words and as JSON.
enum EndedText {
    /// `succeeded in 31m05s, 2 attempts; model.pt 497 MiB is in ~/project`.
    static func sentence(_ end: JobEnded, resultsPlace: String?) -> String {
        var text =
            "\(end.state.name) in \(TimeSpan.text(Interval(nanoseconds: Int64(clamping: end.milliseconds) * 1_000_000)))"
        if end.state == .failed { text += " with exit code \(end.exitCode)" }
        if end.attempts > 1 { text += ", \(end.attempts) attempts" }
        if let resultsPlace {
            text += "; \(resultsPlace)"
        } else if let results = end.results {
            let files = results.files == 1 ? "1 file" : "\(results.files) files"
            text += "; \(files), \(ByteSize.text(results.bytes)): swarmlet cp job:\(end.job): ."
        }
        return text
    }

    static func json(_ end: JobEnded) -> JSON {
        .object([
            ("id", .string("\(end.job)")),
            ("state", .string(end.state.name)),
            ("exit_code", .integer(Int64(end.exitCode))),
            ("exit_source", .string(end.fromJob ? "job" : "swarmlet")),
            ("code", .optional(end.failure?.code)),
            ("message", .optional(end.failure?.message)),
            ("seconds", .number(Double(end.milliseconds) / 1000)),
            ("attempts", .integer(Int64(end.attempts))),
            ("result_files", .integer(Int64(end.results?.files ?? 0))),
            ("result_bytes", .count(end.results?.bytes ?? 0)),
        ])
    }
}
