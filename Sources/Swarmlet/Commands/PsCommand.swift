import Codec
import Node
import Scheduler

/// `swarmlet ps`: what runs and what waits.
enum PsCommand {
    static let declaration = Command(
        "ps", summary: "List jobs",
        flags: [Flag("all", short: "a", "also jobs that have ended")],
        details: [
            "TIME counts from the start of a job, or from its submission while it waits. TASKS is ended/all of an array.\n"
                + "States: pending blocked placed preparing running frozen unknown succeeded failed cancelled preempted."
        ],
        examples: [
            .init("swarmlet ps", "jobs that have not ended"),
            .init("swarmlet ps -a --json | jq -r '.jobs[].id'", "all, for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = APIRequest.jobs(JobsRequest(all: invocation.has("all")))
        guard case .jobs(let view) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than jobs")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)),
                    ("stale_seconds", view.staleMilliseconds.map { .number(Double($0) / 1000) } ?? .null),
                    ("jobs", .array(view.jobs.map(JobsText.json))),
                ]))
        } else if terminal.volume == .quiet {
            try terminal.result(view.jobs.map { "\($0.id)\n" }.joined())
        } else {
            try terminal.result(JobsText.table(view.jobs, now: Clock.wall()).text(width: terminal.tableWidth))
            Staleness.tell(view.staleMilliseconds, terminal)
        }
        return ExitCode.success
    }
}
