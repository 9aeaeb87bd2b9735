import CLinux
import Codec
import Glibc
import Scheduler

/// The daemon's view of one supervisor: its directory, and how to start it, find it again, or learn what it left.
///
/// Nothing here blocks for longer than a system call takes; sockets come back non-blocking, for the caller's event loop.
public struct SupervisorDirectory: Hashable, Sendable {
    /// Absolute.
    public let path: String
    private var paths: SupervisorPaths { SupervisorPaths(directory: path) }

    public init(path: String) { self.path = path }

    /// What an attempt left behind when its supervisor is gone.
    public struct Remains: Hashable, Sendable {
        public var key: AttemptKey
        public var logPath: String
        /// Unix nanoseconds; nil if its command never ran.
        public var startedAt: Int64?
        /// Nil: it did not end by itself. It died with its supervisor and is lost.
        public var result: AttemptResult?
    }

    /// Whether this supervisor can be spoken to.
    public enum Condition: Hashable, Sendable {
        case lives(process: Int32)
        /// Gone, with these attempts not yet acknowledged.
        case gone([Remains])
    }

    /// The place of an attempt's files.
    public func attemptDirectory(_ key: AttemptKey) -> String { "\(path)/attempts/\(key.task).\(key.attempt)" }
    public func logPath(_ key: AttemptKey) -> String { "\(attemptDirectory(key))/log" }

    /// Every supervisor directory directly below `parent`, in the order of their names.
    public static func scan(_ parent: String) throws(HostError) -> [SupervisorDirectory] {
        guard HostFiles.exists(parent) else { return [] }
        return try HostFiles.names(in: parent).map { SupervisorDirectory(path: "\(parent)/\($0)") }
            .filter { HostFiles.exists($0.paths.process) || HostFiles.exists($0.paths.journal) }
    }

    /// Starts a supervisor: `program supervisor DIRECTORY [strict]`. It is nobody's child and stays when the daemon goes.
    ///
    /// Its socket can be connected to as soon as this returns; its lease begins when the page is extended.
    /// One that is to expect a strict attempt makes its sandbox ready.
    /// `environment` needs no more than what the program itself wants: attempts bring their own.
    public func launch(
        program: String, expectsStrict: Bool = false, environment: [String] = []
    ) throws(HostError) {
        try HostFiles.makeDirectories(path)
        if case .lives(let process) = try condition() { throw .supervisorRuns(path: path, process: process) }
        unlink(paths.socket)
        let socket = clinux_unix_listen(paths.socket, 4)
        if socket < 0 { throw .system(operation: "listen", path: paths.socket, errorNumber: -socket) }
        defer { close(socket) }
        let log = try HostFiles.open(paths.output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(log) }
        let arguments = CStrings([program, "supervisor", path] + (expectsStrict ? [SupervisorMain.strict] : []))
        let variables = CStrings(environment)
        let result = withExtendedLifetime((arguments, variables)) {
            clinux_spawn_detached(program, arguments.pointer, variables.pointer, -1, log, socket)
        }
        if result < 0 { throw .system(operation: "execute", path: program, errorNumber: -result) }
    }

    /// Gives the files another place, with the supervisor that runs in them: it works through open files, its socket and
    /// its page are reached by the new name, and `SupervisorRequest.hello` tells it.
    public func move(to path: String) throws(HostError) -> SupervisorDirectory {
        guard rename(self.path, path) == 0 else {
            throw .system(operation: "rename", path: self.path, errorNumber: errno)
        }
        return SupervisorDirectory(path: path)
    }

    /// A socket to the supervisor: say `SupervisorRequest.hello` first. The caller owns it.
    public func connect() throws(HostError) -> Int32 {
        let socket = clinux_unix_connect(paths.socket)
        if socket < 0 { throw .system(operation: "connect", path: paths.socket, errorNumber: -socket) }
        return socket
    }

    /// The page that holds this supervisor's lease.
    public func leasePage() throws(HostError) -> LeasePage {
        try HostFiles.makeDirectories(path)
        return try LeasePage(path: paths.lease)
    }

    /// Takes back what was given for the absence of a daemon: the lease ends then, if not before.
    ///
    /// Once this returns the supervisor sees it whatever becomes of the caller: it waits for the deadline that it knows, and is
    /// woken by a signal, as it is by the end of a process.
    public func shortenLease(to deadline: Instant) throws(HostError) {
        try leasePage().shorten(to: deadline)
        if let process = runningProcess { kill(process, SIGCHLD) }
    }

    /// The process that holds this directory, whatever else is wrong with it.
    public var runningProcess: Int32? {
        let file = Glibc.open(paths.process, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let holder = clinux_lock_holder(file)
        return holder > 0 ? holder : nil
    }

    /// Whether the supervisor lives; if not, what its journal says. Stragglers of its attempts are ended first, so that what
    /// is reported lost does not run any more.
    public func condition() throws(HostError) -> Condition {
        if HostFiles.exists(paths.process) {
            let file = try HostFiles.open(paths.process, O_RDWR | O_CLOEXEC)
            defer { close(file) }
            let holder = clinux_lock_holder(file)
            if holder < 0 { throw .system(operation: "lock", path: paths.process, errorNumber: -holder) }
            if holder > 0 { return .lives(process: holder) }
        }
        let state = try JournalState.read(path: paths.journal)
        if try HostBoot.identity().text == state.boot { try endStragglers(state) }
        return .gone(
            state.attempts.map {
                Remains(key: $0.key, logPath: $0.logPath, startedAt: $0.startedAt, result: $0.result)
            })
    }

    /// The kernel ends attempts with their supervisor, but not before this process may look: wait for it here, briefly.
    private func endStragglers(_ state: JournalState) throws(HostError) {
        for attempt in state.attempts where attempt.result == nil {
            guard let process = attempt.process, let ticks = attempt.startTicks, ticks > 0 else { continue }
            guard ProcessFacts.of(process)?.startTicks == ticks else { continue }
            let descriptor = clinux_process_descriptor(process)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            // Looked at again through the descriptor's lifetime: the number cannot have changed hands since.
            guard ProcessFacts.of(process)?.startTicks == ticks else { continue }
            _ = clinux_signal_process(descriptor, SIGKILL)
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&watched, 1, Self.stragglerMilliseconds) == 0 {
                throw .system(operation: "kill", path: "process \(process)", errorNumber: ETIMEDOUT)
            }
        }
    }

    private static let stragglerMilliseconds: Int32 = 5000

    /// Deletes the directory and the logs in it. Only for a supervisor that is gone and whose attempts are all known.
    public func remove() throws(HostError) { try HostFiles.removeTree(path) }
}
