import Codec
import Node
import Scheduler

/// A job, one task of an array or one rank of a gang, as it is typed: `42`, `42_7`, `42:1`.
struct JobReference: Hashable {
    let job: JobID
    /// nil where only the job was named.
    let task: UInt32?

    init(_ text: String, for command: String) throws(CommandError) {
        let parts = text.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "_" || $0 == ":" }
        guard DecimalText.isDigits(parts.first ?? ""), let job = JobID(parts[0]), job > 0 else {
            throw Self.error(text, command)
        }
        self.job = job
        guard parts.count == 2 else {
            task = nil
            return
        }
        guard DecimalText.isDigits(parts[1]), let task = UInt32(parts[1]) else { throw Self.error(text, command) }
        self.task = task
    }

    private static func error(_ text: String, _ command: String) -> CommandError {
        .badOperand(value: text, expectation: "the id of a job, such as 42, 42_7 or 42:1", example: "swarmlet ps -a")
    }
}
