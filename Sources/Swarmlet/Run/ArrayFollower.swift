import Codec
import Glibc
import Node
import Scheduler

/// Waits for an array to end, then prints what its tasks wrote in the order of their index, so that the output of two runs
/// can be compared.
final class ArrayFollower {
    private let directory: DataDirectory
    private let job: JobID
    private let spec: JobSpec
    private let signals: Signals
    private let terminal: Terminal
    private var interrupts: Interrupts

    private static let progressPeriod = Interval(nanoseconds: 1_000_000_000)

    init(_ directory: DataDirectory, _ job: JobID, _ spec: JobSpec, _ signals: Signals, _ terminal: Terminal) {
        self.directory = directory
        self.job = job
        self.spec = spec
        self.signals = signals
        self.terminal = terminal
        interrupts = Interrupts(job: job, isInteractive: terminal.stderrIsInteractive)
        interrupts.jobIsRunning = true
    }

    func follow(_ place: RunSession.Place) throws(CommandError) -> Int32 {
        interrupts.place = place
        terminal.note(
            "job \(job): \(spec.tasks) tasks; their output follows when all have ended. One now: swarmlet logs \(job)_0"
        )
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                switch try wait() {
                case .left(let code): return code
                case .ended(let end): return try finish(end)
                }
            } catch {
                guard let number = try patience.wait(after: error, signals: signals, terminal) else { continue }
                if let code = try interrupts.act(on: number, directory, terminal) { return code }
            }
        }
    }

    private enum Outcome {
        case ended(JobEnded)
        case left(Int32)
    }

    private func wait() throws(CommandError) -> Outcome {
        let client = try LocalClient(directory)
        try client.send(.wait([job]))
        while true {
            switch try client.next(signals: signals, until: Clock.sinceBoot() + Self.progressPeriod) {
            case .reply(.follow(.ended(let end))): return .ended(end)
            case .reply: throw .badAnswer(reason: "another reply than the end of a job")
            case .closed: throw .connectionLost(reason: "it closed the connection")
            case .deadline: try showProgress()
            case .signal(let number):
                if let code = try interrupts.act(on: number, directory, terminal) { return .left(code) }
            }
        }
    }

    private func showProgress() throws(CommandError) {
        guard terminal.stderrIsInteractive else { return }
        guard case .job(let detail) = try LocalClient.call(.inspectJob(job), directory) else { return }
        terminal.progress("job \(job): \(detail.view.tasksEnded) of \(detail.view.tasks) tasks have ended")
    }

    private func finish(_ end: JobEnded) throws(CommandError) -> Int32 {
        for task in 0..<spec.tasks {
            if let number = signals.next() { return ExitCode.signalled(number) }
            try printLog(of: task)
        }
        terminal.clearProgress()
        if let failure = end.failure {
            terminal.report(.refused(LocalCommand.explained(failure, command: spec.command[0])))
        } else {
            terminal.note("job \(job): " + EndedText.sentence(end, resultsPlace: nil))
        }
        return end.exitCode
    }

    /// The log of an ended task does not change any more, so after a reconnect as many bytes are skipped as were shown.
    private func printLog(of task: UInt32) throws(CommandError) {
        var shownBytes = 0
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                let client = try LocalClient(directory)
                try client.send(.logs(LogsRequest(job: job, task: task, attempt: nil, follow: false, tailLines: nil)))
                return try copy(client, &shownBytes)
            } catch {
                try patience.wait(after: error, signals: nil, terminal)
            }
        }
    }

    private func copy(_ client: LocalClient, _ shownBytes: inout Int) throws(CommandError) {
        var position = 0
        while true {
            switch try client.reply() {
            case .done: return
            case .log(let chunk) where chunk.stream == 0: LogWriter.tellGap(chunk, terminal)
            case .log(let chunk):
                let bytes = chunk.bytes.array.dropFirst(max(0, shownBytes - position))
                position += chunk.bytes.count
                try terminal.pass(Array(bytes), to: chunk.stream == 2 ? .stderr : .stdout)
                shownBytes = max(shownBytes, position)
            default: throw .badAnswer(reason: "another reply than a log")
            }
        }
    }
}
