import Codec
import Glibc
import Mesh
import Node
import Scheduler

/// One `swarmlet run` from the typed command to the exit code: send, submit, follow, bring the results.
///
/// The daemon may stop and come back at any moment: each step is repeated where it was left, and none takes effect twice,
/// because the submit carries a request id and the output a cursor.
final class RunSession {
    private let directory: DataDirectory
    private let spec: JobSpec
    private let tree: WorkingTree?
    private let terminal: Terminal
    private let request = RunSession.randomRequest()
    /// Where a proof is to be written that the job was accepted.
    var receipt: String?
    /// Of a guest: how many jobs more his token starts.
    private var tokenLeft: UInt64?
    /// Whether the daemon has all it needs to submit the job.
    private var mayExist = false

    enum Mode: Equatable {
        case detached
        case attached(Place)
    }

    /// Where the job runs, and so what may be said of it.
    enum Place: Equatable {
        case mesh
        /// An embedded mesh that ends with the job: it cannot be detached from.
        case here
    }

    init(_ directory: DataDirectory, _ spec: JobSpec, _ tree: WorkingTree?, _ terminal: Terminal) {
        self.directory = directory
        self.spec = spec
        self.tree = tree
        self.terminal = terminal
    }

    func run(_ mode: Mode) throws(CommandError) -> Int32 {
        // A closed stdout is an error to handle: it cancels the job instead of killing only this program.
        signal(SIGPIPE, SIG_IGN)
        let signals = try Signals([SIGINT, SIGTERM, SIGQUIT, SIGHUP])
        switch try submit(signals) {
        case .interrupted(let number):
            terminal.warn(mayExist ? "the job may have been submitted. See: swarmlet ps" : "nothing was submitted")
            return ExitCode.signalled(number)
        case .submitted(let job):
            if let receipt { Receipt(directory, terminal).write(of: job, to: receipt) }
            guard case .attached(let place) = mode else {
                let results = try WorkingDirectory.path()
                // A guest's door closes with his command: he fetches results himself.
                if !GuestDoor.isOpen {
                    ResultCollector.needed(directory, job, spec, place: results)?.startInBackground(terminal)
                }
                try announce(job)
                return ExitCode.success
            }
            if spec.isArray { return try ArrayFollower(directory, job, spec, signals, terminal).follow(place) }
            let follower = JobFollower(directory, job, spec, signals, terminal)
            follower.tokenLeft = tokenLeft
            return try follower.follow(place, results: try WorkingDirectory.path())
        }
    }

    private func announce(_ job: JobID) throws(CommandError) {
        guard terminal.format == .json else { return try terminal.result("\(job)\n") }
        try terminal.result(.object([("schema_version", .integer(1)), ("job", .string("\(job)"))]))
    }

    // MARK: Submit

    private enum Submission {
        case submitted(JobID)
        case interrupted(Int32)
    }

    private func submit(_ signals: Signals) throws(CommandError) -> Submission {
        var patience = ReconnectPatience(isSubmitted: false)
        // A daemon that is not there at the start is an error; one that goes away later is waited for.
        var client = try LocalClient(directory)
        while true {
            do throws(CommandError) {
                return try submit(client, signals)
            } catch {
                if let number = try patience.wait(after: error, signals: signals, terminal) {
                    return .interrupted(number)
                }
            }
            do throws(CommandError) { client = try LocalClient(directory) } catch {
                if let number = try patience.wait(after: error, signals: signals, terminal) {
                    return .interrupted(number)
                }
            }
        }
    }

    private func submit(_ client: LocalClient, _ signals: Signals) throws(CommandError) -> Submission {
        let started = Clock.sinceBoot()
        let manifest = tree.map { Bytes($0.manifest.encoded()) }
        try client.send(.submit(SubmitRequest(request: request, spec: spec, manifest: manifest)))
        mayExist = tree == nil
        var sentBytes: UInt64?
        var waitingSignal: Int32?
        while true {
            switch try client.next(signals: signals, until: nil) {
            case .reply(.transfer(.need(let digests))):
                guard let bytes = try upload(digests, client, signals) else { return .interrupted(SIGINT) }
                sentBytes = bytes
                mayExist = true
            case .reply(.transfer(.done)): continue
            case .reply(.submitted(let view)):
                if sentBytes != nil { tellSent(view.job, Clock.sinceBoot() - started) }
                tokenLeft = view.left
                // What was asked meanwhile is asked of the job, now that it has a number.
                if let waitingSignal { kill(getpid(), waitingSignal) }
                return .submitted(view.job)
            case .reply: throw .badAnswer(reason: "another reply than to a submit")
            case .closed: throw .connectionLost(reason: "it closed the connection before the job was accepted")
            case .signal(let number):
                // Once everything is sent the job may exist already, so its number is waited for; asked twice, not.
                guard mayExist, waitingSignal == nil else { return .interrupted(number) }
                waitingSignal = number
            case .deadline, .input: continue
            }
        }
    }

    /// Sends what the daemon lacks; nil when a signal came first.
    private func upload(_ digests: [Digest], _ client: LocalClient, _ signals: Signals) throws(CommandError) -> UInt64?
    {
        guard let tree else { throw .badAnswer(reason: "it asks for files of a job without any") }
        var sent: UInt64 = 0
        for digest in digests {
            if signals.next() != nil { return nil }
            let content = try tree.content(digest)
            for message in TransferMessage.chunks(of: digest, content: content) { try client.send(.transfer(message)) }
            sent += UInt64(content.count)
            terminal.progress("sending \(WorkingDirectory.short(tree.path)): \(ByteSize.text(sent))")
        }
        try client.send(.transfer(.done))
        terminal.clearProgress()
        return sent
    }

    private func tellSent(_ job: JobID, _ time: Interval) {
        guard let tree, tree.manifest.fileCount > 0 else { return }
        terminal.note(
            "job \(job): sent \(WorkingDirectory.short(tree.path)): \(tree.sizeText) in \(TimeSpan.phrase(time))"
                + tree.ignoredText)
    }

    static func randomRequest() -> RequestID {
        var generator = SystemRandomNumberGenerator()
        return RequestID(high: generator.next(), low: generator.next())
    }
}
