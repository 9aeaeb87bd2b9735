import Codec

/// How long a command that follows a job goes on without its daemon, which may only be restarting.
struct ReconnectPatience {
    /// Whether the job is acknowledged, so that only its end is waited for.
    let isSubmitted: Bool
    private var since: Instant?
    private var pause = Interval(nanoseconds: 50_000_000)

    init(isSubmitted: Bool) { self.isSubmitted = isSubmitted }

    /// Five minutes: longer than an upgrade, shorter than a forgotten script.
    private static let total = Interval(nanoseconds: 300_000_000_000)
    private static let longestPause = Interval(nanoseconds: 1_000_000_000)

    /// Pauses after an error that a restart explains; throws every other error, and this one when patience is at its end.
    /// - Returns: a signal that came in meanwhile.
    @discardableResult
    mutating func wait(after error: CommandError, signals: Signals?, _ terminal: Terminal) throws(CommandError)
        -> Int32?
    {
        switch error {
        case .connectionLost, .daemonUnreachable: break
        case .refused(let failure) where failure.code == "daemon.stopping": break
        // The job is in the mesh already: a daemon that does not know the mesh's state yet will.
        case .refused(let failure) where failure.code == "mesh.no_leader" && isSubmitted: break
        // Through a guest's door: no member can be reached, or none that knows enough.
        case .refused(let failure)
        where GuestDoor.isOpen && isSubmitted
            && (failure.code.hasPrefix("mesh.connect") || failure.code.hasPrefix("mesh.session")
                || failure.code == "token.view_old"):
            break
        default: throw error
        }
        let now = Clock.sinceBoot()
        // A guest's door says by itself where it goes on.
        if since == nil, !GuestDoor.isOpen {
            terminal.note("the daemon here does not answer; the job goes on, waiting for the daemon")
        }
        let started = since ?? now
        since = started
        guard now - started < Self.total else { throw error }
        let readiness = LocalClient.wait(for: nil, signals: signals, until: now + pause)
        pause = min(Interval(nanoseconds: pause.nanoseconds * 2), Self.longestPause)
        return readiness == .signal ? signals?.next() : nil
    }
}
