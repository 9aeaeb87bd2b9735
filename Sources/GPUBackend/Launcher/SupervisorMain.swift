import CLinux
import Glibc

/// The hidden command `swarmlet supervisor DIRECTORY [strict]`: a process of its own, with one thread.
public enum SupervisorMain {
    /// Descriptor on which `SupervisorDirectory.launch` passes the listening socket.
    static let passedSocket: Int32 = 3

    /// The word of the command line that says that the next attempt is likely to be strict.
    public static let strict = "strict"

    /// Attempts that one has running at once.
    public static let attemptMaximum = 256

    /// Runs until the last attempt of the directory was acknowledged, with a strict sandbox ready for the first if that is
    /// likely to be wanted. Returns the exit code.
    ///
    /// It must be called before anything in this process started a thread: attempts are cloned from it.
    public static func run(directory: String, expectsStrict: Bool) -> Int32 {
        umask(0o077)
        setsid()
        runBeforeOrdinaryWork()
        do throws(HostError) {
            try serve(SupervisorPaths(directory: directory), expectsStrict)
            return 0
        } catch {
            say("\(error.message) [\(error.code)]")
            say(error.hint)
            return 125
        }
    }

    /// A lease that passes on a busy host must be seen within its margin, and what is to start must not wait behind what
    /// runs. `SCHED_RR` at its lowest priority (sched(7)), which attempts do not inherit; without the right to it, as before.
    private static func runBeforeOrdinaryWork() {
        var parameters = sched_param()
        parameters.sched_priority = sched_get_priority_min(SCHED_RR)
        sched_setscheduler(0, SCHED_RR | resetOnFork, &parameters)
    }

    /// SCHED_RESET_ON_FORK of `sched.h`.
    private static let resetOnFork: Int32 = 0x4000_0000

    /// A line for the file in which the output of supervisors is kept.
    static func say(_ text: String) {
        do throws(HostError) {
            try HostFiles.writeAll(Array("swarmlet: \(text)\n".utf8), to: STDOUT_FILENO, path: "standard output")
        } catch {
            // There is nobody else to tell.
        }
    }

    private static func serve(_ paths: SupervisorPaths, _ expectsStrict: Bool) throws(HostError) {
        try HostFiles.makeDirectories(paths.directory)
        let lock = try claim(paths)
        defer { close(lock) }
        // A command that reads no more must not end its supervisor.
        signal(SIGPIPE, SIG_IGN)
        let dropped = clinux_drop_bounding_set()
        if dropped < 0 { throw .system(operation: "drop capabilities", path: "", errorNumber: -dropped) }
        let opened = clinux_open_more_files()
        if opened < 0 { throw .system(operation: "setrlimit", path: "", errorNumber: -opened) }
        let recovered = try JournalState.read(path: paths.journal)
        let supervisor = try Supervisor(
            paths, listening: try listen(paths), recovered: recovered,
            journal: try SupervisorJournal(path: paths.journal), lease: try LeasePage(path: paths.lease))
        if expectsStrict { supervisor.makeReady() }
        try supervisor.run()
        unlink(supervisor.paths.socket)
    }

    /// The lock on the pid file says whether a supervisor lives; it goes with the process, whatever ends it.
    private static func claim(_ paths: SupervisorPaths) throws(HostError) -> Int32 {
        let file = try HostFiles.open(paths.process, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard clinux_lock_file(file) == 0 else {
            let holder = clinux_lock_holder(file)
            close(file)
            throw .supervisorRuns(path: paths.directory, process: holder)
        }
        if ftruncate(file, 0) < 0 { throw .system(operation: "ftruncate", path: paths.process, errorNumber: errno) }
        try HostFiles.writeAll(Array("\(getpid())\n".utf8), to: file, path: paths.process)
        return file
    }

    private static func listen(_ paths: SupervisorPaths) throws(HostError) -> Int32 {
        var facts = stat()
        if fstat(passedSocket, &facts) == 0, facts.st_mode & S_IFMT == S_IFSOCK {
            _ = fcntl(passedSocket, F_SETFD, FD_CLOEXEC)
            return passedSocket
        }
        unlink(paths.socket)
        let socket = clinux_unix_listen(paths.socket, 4)
        if socket < 0 { throw .system(operation: "listen", path: paths.socket, errorNumber: -socket) }
        return socket
    }
}
