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
        try JobList.forEach(invocation, terminal, command: "cancel") { .cancel(CancelRequest(job: $0)) }
    }
}
