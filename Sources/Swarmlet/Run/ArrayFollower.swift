import Codec
import Glibc
import Node
import Scheduler

/// Follows an array to its end and prints what its tasks wrote in the order of their index, so that the output of two runs
/// can be compared.
final class ArrayFollower {
    private let directory: DataDirectory
    private let job: JobID
    private let spec: JobSpec
    private let signals: Signals
    private let terminal: Terminal
    private var interrupts: Interrupts
    /// The task whose output is being shown, and how much of it has been: after a reconnect so much is passed over.
    private var task: UInt32 = 0
    private var shownBytes = 0
    private var position = 0

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
            "job \(job): \(spec.tasks) tasks; the output of each follows when it has ended. One now: swarmlet logs \(job)_0"
        )
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                switch try followOnce(&patience) {
                case .left(let code): return code
                case .ended(let end): return try finish(end)
                }
            } catch {
                if case .outputClosed = error { return try interrupts.cancelUnread(directory) }
                guard let number = try patience.wait(after: error, signals: signals, terminal) else { continue }
                if let code = try interrupts.act(on: number, directory, terminal) { return code }
            }
        }
    }

    private enum Outcome {
        case ended(JobEnded)
        case left(Int32)
    }

    private func followOnce(_ patience: inout ReconnectPatience) throws(CommandError) -> Outcome {
        let client = try LocalClient(directory)
        try client.send(.followArray(FollowArrayRequest(job: job, task: task)))
        position = 0
        while true {
            switch try client.next(signals: signals, until: Clock.sinceBoot() + Self.progressPeriod) {
            case .reply(.follow(.ended(let end))): return .ended(end)
            case .reply(.follow(.task(let index))):
                if index != task { shownBytes = 0 }
                task = index
                position = 0
                patience = ReconnectPatience(isSubmitted: true)
            case .reply(.follow(.output(let chunk))): try show(chunk)
            case .reply: throw .badAnswer(reason: "another reply than the end of a job")
            case .closed: throw .connectionLost(reason: "it closed the connection")
            case .deadline, .input: try showProgress()
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
        terminal.clearProgress()
        if let failure = end.failure {
            terminal.report(.refused(LocalCommand.explained(failure, command: spec.command[0])))
        } else {
            terminal.note("job \(job): " + EndedText.sentence(end, resultsPlace: nil))
        }
        return end.exitCode
    }

    /// The log of an ended task does not change any more, so after a reconnect as many bytes are skipped as were shown.
    private func show(_ chunk: LogChunk) throws(CommandError) {
        terminal.clearProgress()
        guard chunk.stream != 0 else { return LogWriter.tellGap(chunk, terminal) }
        let bytes = chunk.bytes.array.dropFirst(max(0, shownBytes - position))
        position += chunk.bytes.count
        try terminal.pass(Array(bytes), to: chunk.stream == 2 ? .stderr : .stdout)
        shownBytes = max(shownBytes, position)
    }
}
