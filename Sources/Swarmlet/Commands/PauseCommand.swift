import Codec
import Node
import Scheduler

/// `swarmlet pause` and `swarmlet resume`: jobs stand still where they are, and go on.
enum PauseCommand {
    static let pause = Command(
        "pause", summary: "Make jobs stand still where they are",
        operands: .words(placeholder: "JOB...", least: 1, most: 1000),
        details: [
            "What runs is frozen by the kernel and keeps its memory, its GPUs and its place; the time until resume does not\n"
                + "count against its time limit. What waits gets no place meanwhile.",
            "A paused job is frozen in: swarmlet ps. It can be cancelled. When its host is lost, it starts again elsewhere once\n"
                + "it is resumed.",
        ],
        examples: [.init("swarmlet pause 3", "job 3 stands still until: swarmlet resume 3")],
        run: { invocation, terminal throws(CommandError) in try run(invocation, terminal, isPaused: true) })

    static let resume = Command(
        "resume", summary: "Let paused jobs go on",
        operands: .words(placeholder: "JOB...", least: 1, most: 1000),
        examples: [.init("swarmlet resume 3", "job 3 goes on")],
        run: { invocation, terminal throws(CommandError) in try run(invocation, terminal, isPaused: false) })

    private static func run(
        _ invocation: Invocation, _ terminal: Terminal, isPaused: Bool
    ) throws(CommandError) -> Int32 {
        try JobList.forEach(invocation, terminal, command: isPaused ? "pause" : "resume") { job in
            .pause(PauseRequest(job: job, isPaused: isPaused))
        }
    }
}
