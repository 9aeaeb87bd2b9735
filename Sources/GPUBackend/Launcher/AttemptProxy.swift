import CLinux
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
    /// Ends other than its own wish, before it is not started again.
    private static let failureMaximum = 16

    private var listener: Int32
    private var process: Int32?
    private var failures = 0

    init(listener: Int32) { self.listener = listener }

    /// To be polled for a connection that somebody has to answer.
    var waitsForConnection: Int32? { process == nil && listener >= 0 ? listener : nil }

    /// Answers from now on.
    mutating func start(for spec: AttemptSpec, in sandbox: PreparedSandbox?, _ group: Cgroup?) {
        guard waitsForConnection != nil else { return }
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
        failures += 1
        if failures == Self.failureMaximum { close() }
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
