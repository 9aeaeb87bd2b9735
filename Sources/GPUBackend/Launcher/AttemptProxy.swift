import CLinux
import Codec
import Glibc

/// The way of an attempt to other networks, where it has one of its own: a socket that listens in there, and a process that
/// answers it from out here (docs/sandbox.md, "The network of strangers").
///
/// The first connection starts the process, which ends when nobody connects any more, and the next connection starts
/// another. It runs as the user of the attempt, in its control groups and with its filter of system calls.
public struct AttemptProxy {
    /// Where it is found on 127.0.0.1.
    public static let port: UInt16 = 3128
    /// The hidden command `swarmlet attempt-proxy ADDRESS…`; the addresses are those of the mesh.
    public static let word = "attempt-proxy"
    /// The descriptor of the hidden command on which it accepts.
    public static let passedListener: Int32 = 3

    private var listener: Int32
    private var process: Int32?
    private var startedAt = Instant.zero
    private var pause = RestartPause()

    init(listener: Int32) { self.listener = listener }

    /// To be polled for a connection that somebody has to answer.
    func waitsForConnection(at now: Instant) -> Int32? {
        process == nil && listener >= 0 && now >= pause.end ? listener : nil
    }

    /// When to look again whether it waits for a connection.
    func pauseEnd(after now: Instant) -> Instant { pause.end > now ? pause.end : .distantFuture }

    /// Answers from now on.
    mutating func start(for spec: AttemptSpec, in sandbox: PreparedSandbox?, _ group: Cgroup?) {
        startedAt = HostClock.sinceBoot()
        guard waitsForConnection(at: startedAt) != nil else { return }
        let arguments = CStrings(["swarmlet", Self.word] + (spec.sandbox?.meshAddresses ?? []))
        let user = spec.user ?? JobUser(user: geteuid(), group: getegid())
        let started = AttemptProcess.withAttempt(spec, in: sandbox, into: group) { attempt in
            withExtendedLifetime(arguments) {
                clinux_attempt_start_proxy(&attempt, user.user, user.group, listener, arguments.pointer)
            }
        }
        if started > 0 { process = started } else { fail("cannot be started: \(ErrorText.of(-started))") }
    }

    /// After the end of some process.
    mutating func reap() {
        var status: Int32 = 0
        guard let process, waitpid(process, &status, WNOHANG) == process else { return }
        self.process = nil
        // One that was told to end has nobody left to answer.
        if status != 0, listener >= 0 { fail("ended with status \(status)") }
    }

    private mutating func fail(_ why: String) {
        SupervisorMain.say("the proxy of an attempt \(why)")
        pause.begin(after: HostClock.sinceBoot() - startedAt, at: HostClock.sinceBoot())
    }

    /// Answers nobody any more; the process ends.
    mutating func close() {
        guard listener >= 0 else { return }
        // The first process may have the socket, too.
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
        listener = -1
        if let process { kill(process, SIGKILL) }
    }

    /// At the end of the attempt, whose control groups are to be empty.
    mutating func end() {
        close()
        guard let process = exchange(&process, with: nil) else { return }
        while waitpid(process, nil, 0) < 0 && errno == EINTR {}
    }
}

extension AttemptProxy {
    /// What the look-up of a name reads, wherever the host keeps it (nsswitch.conf(5)).
    private static let readable = [
        "/etc", "/etc/hosts", "/etc/resolv.conf", "/usr", "/lib", "/lib64", "/nix/store", "/run/systemd/resolve",
        "/proc",
        "/dev/urandom",
    ]

    /// In the hidden command, at its beginning: of files it may read those, and write none. Under a daemon that is not root
    /// it is the daemon's user, who may read the keys of the host.
    public static func confine() throws(HostError) {
        let paths = CStrings(readable + ["/dev/null"])
        let rules = (0...readable.count).map {
            clinux_file_rule(
                path: paths.pointer[$0],
                access: ($0 < readable.count ? FileAccess.reading : .usingDevices).rawValue)
        }
        let handled = FileAccess.known(to: Int(clinux_landlock_version()))
        let error = withExtendedLifetime(paths) {
            rules.withUnsafeBufferPointer { clinux_confine_process($0.baseAddress, $0.count, handled.rawValue) }
        }
        if error < 0 { throw .system(operation: "confine", path: "", errorNumber: -error) }
    }
}

/// How long nobody starts again what failed: connections wait meanwhile. It doubles with each failure, and what ran well for
/// a while begins anew.
struct RestartPause {
    static let first = Interval.milliseconds(100)
    static let longest = Interval.seconds(30)
    static let runningWell = Interval.seconds(10)

    private(set) var end = Instant.zero
    private var next = Self.first

    mutating func begin(after running: Interval, at now: Instant) {
        if running >= Self.runningWell { next = Self.first }
        end = now + next
        next = min(next + next, Self.longest)
    }
}
