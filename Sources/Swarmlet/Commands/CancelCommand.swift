import Codec
import Node
import Scheduler

/// `swarmlet cancel`: ends jobs.
enum CancelCommand {
    static let declaration = Command(
        "cancel", summary: "Cancel jobs",
        operands: .words(placeholder: "JOB...", least: 1, most: 1000),
        details: ["A job that runs gets SIGTERM, and SIGKILL after its grace time. A cancelled job exits with 130."],
        examples: [
            .init("swarmlet cancel 3", "cancel job 3"),
            .init("swarmlet cancel $(swarmlet ps -q)", "cancel everything that has not ended"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        var jobs: [JobID] = []
        for operand in invocation.operands {
            let reference = try JobReference(operand, for: "cancel")
            guard reference.task == nil else {
                throw .notYet(
                    what: "cancelling one task", instead: "cancel the whole array: swarmlet cancel \(reference.job)")
            }
            jobs.append(reference.job)
        }
        var exitCode = ExitCode.success
        var cancelled: [JobID] = []
        for job in jobs {
            do throws(CommandError) {
                _ = try LocalClient.call(.cancel(CancelRequest(job: job)), directory)
                cancelled.append(job)
            } catch {
                // The others are cancelled all the same; the first failure is the exit code.
                terminal.report(error)
                if exitCode == ExitCode.success { exitCode = error.exitCode }
            }
        }
        if terminal.format == .json, !cancelled.isEmpty {
            try terminal.result(
                .object([("schema_version", .integer(1)), ("jobs", .array(cancelled.map { .string("\($0)") }))]))
        }
        return exitCode
    }
}
