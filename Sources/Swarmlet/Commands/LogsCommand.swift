import Codec
import Node
import Ring
import Scheduler

/// `swarmlet logs`: what a task has written, both streams in the order they came.
enum LogsCommand {
    static let declaration = Command(
        "logs", summary: "Print the output of a job",
        operands: .words(placeholder: "JOB", least: 1, most: 1),
        flags: [
            Flag("follow", short: "f", "go on until the job ends"),
            Flag("tail", .count(placeholder: "N", 0...UInt64.max), "only the last N lines"),
            Flag("since", .text(placeholder: "TIME"), "only what came since then: 10m ago, or 2026-11-21T14:02:07Z"),
            Flag("rank", .count(placeholder: "N", 0...1023), "only of this rank of a gang (default: of all)"),
            Flag("stderr", "only what it wrote to stderr"),
            Flag("attempt", .count(placeholder: "N", 1...UInt64(UInt32.max)), "of this attempt (default: the newest)"),
            Flag("timestamps", short: "t", "the time before each line, in UTC"),
            Flag("raw", "on a terminal, show what would steer it, as well (default: written out)"),
        ],
        details: [
            "JOB is the id of a job, JOB_INDEX one task of an array, JOB:RANK one rank of a gang. Of a gang each line begins\n"
                + "with the rank that wrote it, in the order of their times; --tail counts for each rank."
        ],
        examples: [
            .init("swarmlet logs -f 42", "follow job 42 from its first line"),
            .init("swarmlet logs -t --since 10m 42", "the last ten minutes, with times"),
            .init("swarmlet logs --tail 20 42_7", "the last lines of task 7 of an array"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let reference = try JobReference(invocation.operands[0], for: "logs")
        let task =
            try invocation.count("rank").map { (rank) throws(CommandError) -> UInt32 in
                guard reference.task == nil else {
                    throw .conflict(
                        message: "\(invocation.operands[0]) names a rank already",
                        hint: "leave out --rank, or type the job alone")
                }
                return UInt32(rank)
            } ?? reference.task
        let request = LogsRequest(
            job: reference.job, task: task ?? 0, attempt: invocation.count("attempt").map { UInt32($0) },
            follow: invocation.has("follow"), tailLines: invocation.count("tail"), allRanks: task == nil,
            since: try since(invocation))
        let writer = LogWriter(
            streams: invocation.has("stderr") ? .stderrOnly : .both,
            times: invocation.has("timestamps") ? .shown : .hidden)
        try print(request, writer, from: try DataDirectory.chosen(invocation), terminal)
        return ExitCode.success
    }

    /// To its end; of a log that is followed across restarts of the daemon, each piece once.
    private static func print(
        _ request: LogsRequest, _ writer: LogWriter, from directory: DataDirectory, _ terminal: Terminal
    ) throws(CommandError) {
        var (request, writer) = (request, writer)
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                let client = try LocalClient(directory)
                try client.send(.logs(request))
                while true {
                    switch try client.reply() {
                    case .log(let chunk):
                        patience = ReconnectPatience(isSubmitted: true)
                        try writer.write(chunk, terminal)
                        request = rest(of: request, after: chunk)
                    case .done: return try writer.finish(terminal)
                    default: throw .badAnswer(reason: "another reply than a log")
                    }
                }
            } catch {
                // Where each of several ranks was is not known here.
                guard request.follow, request.cursor != nil else { throw error }
                try patience.wait(after: error, signals: nil, terminal)
            }
        }
    }

    private static func rest(of request: LogsRequest, after chunk: LogChunk) -> LogsRequest {
        guard chunk.rank == nil else { return request }
        var rest = request
        rest.cursor = chunk.next
        rest.tailLines = nil
        rest.since = nil
        return rest
    }

    /// A time, or how long ago it was; Unix nanoseconds.
    static func since(_ invocation: Invocation) throws(CommandError) -> Int64? {
        guard let text = invocation.text("since") else { return nil }
        do throws(CodecError) { return try RFC3339.parse(text) } catch {
            guard let ago = TimeSpan.parse(text) else {
                throw .badValue(
                    flag: "--since", value: text,
                    expectation: "a time such as 10m or 2h30m, or a moment such as 2026-11-21T14:02:07Z",
                    command: invocation.command.name)
            }
            return EventLoops.wallClock.nanoseconds - ago.nanoseconds
        }
    }
}
