import Codec
import Node
import Scheduler

/// A job, or one task of an array, as it is typed: `42`, `42_7`.
struct JobReference: Hashable {
    let job: JobID
    /// nil where only the job was named.
    let task: UInt32?

    init(_ text: String, for command: String) throws(CommandError) {
        let parts = text.split(separator: "_", maxSplits: 1, omittingEmptySubsequences: false)
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
        .badOperand(value: text, expectation: "the id of a job, such as 42 or 42_7", example: "swarmlet ps -a")
    }
}
