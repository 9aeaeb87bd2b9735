import Codec
import Node
import Scheduler

/// `swarmlet wait`: returns when jobs have ended, with the exit code of the first that did not end well.
enum WaitCommand {
    static let declaration = Command(
        "wait", summary: "Wait for jobs to end, and exit with their exit code",
        operands: .words(placeholder: "JOB...", least: 1, most: 1000),
        details: ["Of several jobs, the exit code is that of the first in the order typed that is not 0."],
        examples: [
            .init("swarmlet wait 3 && echo done", "wait for job 3"),
            .init("swarmlet wait $(swarmlet ps -q)", "wait for everything that has not ended"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        var jobs: [JobID] = []
        for operand in invocation.operands { jobs.append(try JobReference(operand, for: "wait").job) }
        let directory = try DataDirectory.chosen(invocation)
        var ends: [JobEnded] = []
        var patience = ReconnectPatience(isSubmitted: true)
        // A daemon that is not there at the start is an error; one that goes away later is waited for.
        var connected: LocalClient? = try LocalClient(directory)
        while ends.count < jobs.count {
            do throws(CommandError) {
                let client: LocalClient
                if let first = connected { client = first } else { client = try LocalClient(directory) }
                connected = nil
                try client.send(.wait(Array(jobs[ends.count...])))
                while ends.count < jobs.count {
                    guard case .follow(.ended(let end)) = try client.reply() else {
                        throw CommandError.badAnswer(reason: "another reply than the end of a job")
                    }
                    patience = ReconnectPatience(isSubmitted: true)
                    tell(end, terminal)
                    ends.append(end)
                }
            } catch {
                try patience.wait(after: error, signals: nil, terminal)
            }
        }
        if terminal.format == .json {
            try terminal.result(
                .object([("schema_version", .integer(1)), ("jobs", .array(ends.map(EndedText.json)))]))
        }
        return ends.first { $0.exitCode != 0 }?.exitCode ?? ExitCode.success
    }

    private static func tell(_ end: JobEnded, _ terminal: Terminal) {
        if end.fromJob || end.failure == nil {
            terminal.note("job \(end.job): " + EndedText.sentence(end, resultsPlace: nil))
        } else if let failure = end.failure {
            terminal.report(.refused(failure))
        }
    }
}
