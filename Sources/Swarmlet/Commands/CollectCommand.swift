import Node

/// `swarmlet collect`: what a detached `run` leaves behind to bring the files of `--out`.
enum CollectCommand {
    static let declaration = Command(
        "collect", summary: "Wait for a job to end and bring its results",
        operands: .words(placeholder: "JOB", least: 1, most: 1),
        flags: [Flag("into", .text(placeholder: "DIR"), "where the results go (default: the working directory)")],
        details: [
            "Started in the background by a run with --out that was detached. What it cannot bring stays in the mesh."
        ],
        examples: [.init("swarmlet collect --into /home/ada/project 17", "as run -d starts it")],
        visibility: .hidden, run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let job = try JobReference(invocation.operands[0], for: "collect").job
        let place = try WorkingDirectory.absolute(invocation.text("into") ?? ".")
        try ResultCollector(directory: try DataDirectory.chosen(invocation), job: job, place: place).collect(terminal)
        return ExitCode.success
    }
}
