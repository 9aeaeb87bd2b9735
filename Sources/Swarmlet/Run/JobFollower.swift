import Codec
import Glibc
import Node
import Scheduler

/// Follows one job from its submission to its end, across restarts of the daemon, and turns signals into what they mean.
final class JobFollower {
    private let directory: DataDirectory
    private let job: JobID
    private let spec: JobSpec
    /// Only what is written from now on is shown of an attempt that runs.
    private let fromNow: Bool
    var task: UInt32 = 0
    private let signals: Signals
    private let terminal: Terminal
    private var interrupts: Interrupts
    /// What has been shown already, so that nothing is shown twice after a reconnect.
    private var cursor = OutputCursor()
    private var rankCursors: [OutputCursor] = []
    /// Of a gang: what all of its ranks write is wanted, not that of `task` alone.
    var allRanks = true
    /// Of a guest: how many jobs more his token starts.
    var tokenLeft: UInt64?
    private var ranks = RankLines()
    private var seenAttempt: UInt32 = 0

    init(
        _ directory: DataDirectory, _ job: JobID, _ spec: JobSpec, _ signals: Signals, _ terminal: Terminal,
        fromNow: Bool = false
    ) {
        self.directory = directory
        self.job = job
        self.spec = spec
        self.fromNow = fromNow
        self.signals = signals
        self.terminal = terminal
        interrupts = Interrupts(job: job, isInteractive: terminal.stderrIsInteractive)
    }

    /// - Parameter results: the directory that files named by `--out` go to; nil: somebody else sees to them.
    func follow(_ place: RunSession.Place, results: String?) throws(CommandError) -> Int32 {
        interrupts.place = place
        if let results { interrupts.collector = ResultCollector.needed(directory, job, spec, place: results) }
        if spec.hasInput { try InputPump(directory, job, terminal).start() }
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                let client = try LocalClient(directory)
                try client.send(
                    .follow(
                        FollowRequest(
                            job: job, task: task, cursor: cursor, seenAttempt: seenAttempt, fromNow: fromNow,
                            rankCursors: rankCursors, allRanks: allRanks)))
                switch try follow(client, &patience) {
                case .left(let code): return code
                case .ended(let end): return try finish(end, results: results)
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
        /// The user left or gave up before the end.
        case left(Int32)
    }

    private func follow(_ client: LocalClient, _ patience: inout ReconnectPatience) throws(CommandError) -> Outcome {
        while true {
            switch try client.next(signals: signals, until: nil) {
            case .reply(.follow(.ended(let end))): return .ended(end)
            case .reply(.follow(let event)):
                patience = ReconnectPatience(isSubmitted: true)
                try show(event)
            case .reply(.done), .deadline, .input: continue
            case .reply: throw .badAnswer(reason: "another reply than what happens to the job")
            case .closed: throw .connectionLost(reason: "it closed the connection")
            case .signal(let number):
                if let code = try interrupts.act(on: number, directory, terminal) { return .left(code) }
            }
        }
    }

    private func show(_ event: FollowEvent) throws(CommandError) {
        interrupts.jobIsRunning = true
        switch event {
        case .output(let chunk):
            if let rank = chunk.rank { return try show(chunk, of: rank) }
            if chunk.stream == 0 {
                LogWriter.tellGap(chunk, terminal)
            } else {
                try terminal.pass(chunk.bytes.array, to: chunk.stream == 2 ? .stderr : .stdout)
            }
            cursor = chunk.next
        case .waiting(let reason):
            interrupts.jobIsRunning = false
            terminal.progress("job \(job): \(reason)")
        case .placed(let attempt):
            seenAttempt = max(seenAttempt, attempt.number)
            let text = "job \(job): " + FollowText.placed(attempt)
            if attempt.number == 1 { terminal.note(text + FollowText.left(tokenLeft)) } else { terminal.warn(text) }
        case .setUp(let node, let setup): terminal.note("job \(job): " + FollowText.setUp(node, setup))
        case .rankEnded(let end): terminal.warn("job \(job): " + FollowText.ended(end))
        case .hostLost(let loss): terminal.warn("job \(job): " + FollowText.lost(loss))
        case .checkpoint(let checkpoint): terminal.note("job \(job): " + FollowText.checkpoint(checkpoint))
        case .frozen(true):
            terminal.warn("job \(job): stands still: its node cannot reach the mesh; it goes on when it can")
        case .frozen(false): terminal.warn("job \(job): goes on")
        case .paused(let person?):
            terminal.warn("job \(job): paused by \(person); it goes on with: swarmlet resume \(job)")
        case .paused(nil): terminal.warn("job \(job): goes on")
        case .outputMissing(let node):
            terminal.warn("job \(job): not all of its output came from \(node); it is kept there: swarmlet logs \(job)")
        case .ended, .task: break
        }
    }

    /// Whole lines of a rank, so that those of several do not get mixed; of one rank alone as they come.
    private func show(_ chunk: LogChunk, of rank: UInt32) throws(CommandError) {
        while rankCursors.count <= Int(rank) { rankCursors.append(OutputCursor()) }
        if chunk.stream == 0 {
            LogWriter.tellGap(chunk, terminal)
        } else {
            let bytes = chunk.bytes.array
            let lines = spec.tasks == 1 ? bytes : ranks.take(bytes, rank, chunk.stream)
            try terminal.pass(lines, to: chunk.stream == 2 ? .stderr : .stdout)
        }
        rankCursors[Int(rank)] = chunk.next
    }

    // MARK: The end

    private func finish(_ end: JobEnded, results: String?) throws(CommandError) -> Int32 {
        for line in ranks.rest() { try terminal.pass(line.bytes, to: line.stream == 2 ? .stderr : .stdout) }
        var place: String?
        if end.results != nil, let results { place = try ResultFetcher(directory, terminal).fetch(job, into: results) }
        terminal.clearProgress()
        if let failure = end.failure {
            terminal.report(.refused(LocalCommand.explained(failure, command: spec.command[0])))
        } else if end.state == .cancelled || !end.fromJob {
            terminal.warn("job \(job): " + EndedText.sentence(end, resultsPlace: place))
        } else {
            terminal.note("job \(job): " + EndedText.sentence(end, resultsPlace: place))
        }
        return end.exitCode
    }
}
