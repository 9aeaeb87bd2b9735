import Codec
import Glibc
import Node
import Scheduler

/// `swarmlet exec`: runs a command beside that of a job.
enum ExecCommand {
    static let declaration = Command(
        "exec", summary: "Run a command beside a job, where and as it runs",
        operands: .inJob,
        flags: [
            Flag("interactive", short: "i", "pass on what comes on standard input"),
            Flag("tty", short: "t", "give it a terminal: this one"),
            Flag("raw", "on a terminal, show what would steer it, as well (default: written out)"),
        ],
        details: [
            "It sees what the job sees, as the same user and within the same limits, on whatever host that is, and ends with\n"
                + "the job at the latest. When this program goes, it is hung up on.",
            "Its exit code is the command's; 126 not executable, 127 not found, 125 swarmlet could not do it.",
        ],
        examples: [
            .init("swarmlet exec -it 42 -- bash", "a shell where job 42 runs"),
            .init("swarmlet exec 42 -- nvidia-smi", "what its GPUs do"),
            .init("swarmlet exec -i 42_7 -- tar x < more.tar", "files for task 7"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let reference = try JobReference(invocation.operands[0], for: "exec")
        let hasTerminal = invocation.has("tty")
        // Its own terminal is this one.
        if hasTerminal { terminal.passesControls = true }
        if hasTerminal, isatty(0) != 1 {
            throw .conflict(message: "-t needs a terminal, and standard input is none", hint: "leave out -t")
        }
        signal(SIGPIPE, SIG_IGN)
        let numbers = hasTerminal ? [SIGWINCH, SIGTERM, SIGHUP] : [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
        let signals = try Signals(numbers)
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        let window = RawTerminal.window
        let asked = HandTerminal(
            name: Environment.value("TERM") ?? "dumb", rows: window.rows, columns: window.columns)
        try client.send(
            .hand(
                HandRequest(
                    job: reference.job, task: reference.task ?? 0,
                    kind: .run(
                        arguments: Array(invocation.operands.dropFirst()), terminal: hasTerminal ? asked : nil))))
        let raw = hasTerminal && invocation.has("interactive") ? RawTerminal() : nil
        defer { raw?.restore() }
        do throws(CommandError) {
            return try follow(
                client, signals, terminal, passesInput: invocation.has("interactive"), hasTerminal: hasTerminal)
        } catch {
            // Nobody reads the output any more: as for a process in a pipe, that is the end.
            if case .outputClosed = error { return ExitCode.signalled(SIGPIPE) }
            throw error
        }
    }

    /// Passes on what comes both ways until the command has ended; its exit code.
    static func follow(
        _ client: LocalClient, _ signals: Signals, _ terminal: Terminal, passesInput: Bool, hasTerminal: Bool
    ) throws(CommandError) -> Int32 {
        var takesInput = passesInput
        if !passesInput, !hasTerminal { client.sendSoon(.handInput(.bytes(Bytes([])))) }
        while true {
            switch try client.next(signals: signals, until: nil, input: takesInput ? 0 : nil) {
            case .reply(.hand(.bytes(let stream, let bytes))):
                try terminal.pass(bytes.array, to: stream == 2 ? .stderr : .stdout)
            case .reply(.hand(.ended(let code))): return code
            case .reply: throw .badAnswer(reason: "another reply than what a command says")
            case .closed: throw .connectionLost(reason: "it closed the connection")
            case .deadline: continue
            case .input:
                let bytes = read()
                if bytes?.isEmpty ?? false { takesInput = false }
                if let bytes { client.sendSoon(.handInput(.bytes(Bytes(bytes)))) }
            case .signal(SIGWINCH):
                let window = RawTerminal.window
                client.sendSoon(.handInput(.window(rows: window.rows, columns: window.columns)))
            case .signal(let number): client.sendSoon(.handInput(.signal(number)))
            }
        }
    }

    /// What came on standard input, nothing at its end; nil: nothing yet.
    private static func read() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(0, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return nil }
        return Array(buffer.prefix(max(0, count)))
    }
}
