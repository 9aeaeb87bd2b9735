import Codec
import Glibc
import Node
import Scheduler

/// `swarmlet attach`: follows a job that runs, as the `run` that began it did.
enum AttachCommand {
    static let declaration = Command(
        "attach", summary: "Follow a job from where it is, and exit with its exit code",
        operands: .words(placeholder: "JOB", least: 1, most: 1),
        flags: [
            Flag("raw", "on a terminal, show what would steer it, as well (default: written out)")
        ],
        details: [
            "What the job has written before is in: swarmlet logs JOB. Ctrl-C twice within 3 s cancels; Ctrl-\\ or a closed\n"
                + "terminal detaches again and the job goes on. Without a terminal, SIGINT and SIGTERM cancel."
        ],
        examples: [
            .init("swarmlet attach 42", "come back to job 42"),
            .init("swarmlet attach 42_7", "to task 7 of an array"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let reference = try JobReference(invocation.operands[0], for: "attach")
        let directory = try DataDirectory.chosen(invocation)
        guard case .job(let detail) = try LocalClient.call(.inspectJob(reference.job), directory) else {
            throw .badAnswer(reason: "another reply than a job")
        }
        guard detail.view.tasks == 1 || detail.gang != nil || reference.task != nil else {
            throw .badOperand(
                value: invocation.operands[0], expectation: "one task of this array of \(detail.view.tasks)",
                example: "swarmlet attach \(reference.job)_0")
        }
        signal(SIGPIPE, SIG_IGN)
        let signals = try Signals([SIGINT, SIGTERM, SIGQUIT, SIGHUP])
        let spec = JobSpec(
            name: detail.view.name, command: detail.command, user: detail.view.user, tasks: detail.view.tasks,
            submitNode: NodeID(0))
        let follower = JobFollower(directory, reference.job, spec, signals, terminal, fromNow: true)
        follower.task = reference.task ?? 0
        follower.allRanks = reference.task == nil
        return try follower.follow(.mesh, results: nil)
    }
}
