import Codec
import Glibc
import Node
import Scheduler

/// What a signal to a following `run` means: on a terminal Ctrl-C asks first, without one it cancels at once.
struct Interrupts {
    let job: JobID
    let isInteractive: Bool
    var place = RunSession.Place.mesh
    var jobIsRunning = false
    /// What goes on for this program when it is detached.
    var collector: ResultCollector?
    private var warnedAt: Instant?
    private var cancelled = false

    /// How long a second Ctrl-C counts as one.
    static let window = Interval(nanoseconds: 3_000_000_000)

    enum Meaning: Equatable {
        case tell(String)
        case cancel
        case detach
        /// Cancelled already, and the user does not want to wait for the end.
        case giveUp
    }

    init(job: JobID, isInteractive: Bool) {
        self.job = job
        self.isInteractive = isInteractive
    }

    mutating func take(_ number: Int32, at now: Instant) -> Meaning {
        switch number {
        case SIGQUIT, SIGHUP:
            // An embedded mesh ends with this program, and its job with it.
            return place == .here ? cancelOrGiveUp() : .detach
        case SIGINT where isInteractive && !cancelled:
            if let warnedAt, now - warnedAt <= Self.window { return cancelOrGiveUp() }
            warnedAt = now
            let state = jobIsRunning ? "is running" : "is pending"
            let detach = place == .here ? "" : ". Ctrl-\\: detach, the job goes on"
            return .tell("job \(job) \(state). Ctrl-C again within 3 s: cancel\(detach)")
        default: return cancelOrGiveUp()
        }
    }

    private mutating func cancelOrGiveUp() -> Meaning {
        guard !cancelled else { return .giveUp }
        cancelled = true
        return .cancel
    }

    /// Nobody reads the output any more: as for a process in a pipe, that is the end.
    func cancelUnread(_ directory: DataDirectory) throws(CommandError) -> Int32 {
        _ = try LocalClient.call(.cancel(CancelRequest(job: job)), directory)
        return ExitCode.signalled(SIGPIPE)
    }

    /// Does what a signal means now; the exit code when that ends this program.
    mutating func act(on number: Int32, _ directory: DataDirectory, _ terminal: Terminal) throws(CommandError) -> Int32?
    {
        switch take(number, at: Clock.sinceBoot()) {
        case .tell(let text):
            terminal.note(text)
            return nil
        case .cancel:
            terminal.note("cancelling job \(job)")
            _ = try LocalClient.call(.cancel(CancelRequest(job: job)), directory)
            return nil
        case .detach:
            collector?.startInBackground(terminal)
            terminal.note("detached from job \(job). Come back: swarmlet attach \(job)")
            return ExitCode.success
        case .giveUp:
            terminal.warn("job \(job) is being cancelled. See: swarmlet ps")
            return ExitCode.cancelled
        }
    }
}
