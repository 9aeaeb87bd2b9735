import CLinux
import Codec
import Glibc
import Node
import Ring
import Scheduler

/// `swarmlet port-forward`: ports of this host that lead to ports of a job.
enum PortForwardCommand {
    static let declaration = Command(
        "port-forward", summary: "Reach ports of a job from this host",
        operands: .words(placeholder: "JOB [LOCAL:]PORT...", least: 2, most: 17),
        details: [
            "Each port is one of the loopback that the job sees, also of one without network. It is reached at 127.0.0.1 here,\n"
                + "at the same number unless LOCAL says another; 0 takes a free one. The addresses are printed once they answer.",
            "Ctrl-C ends it.",
        ],
        examples: [
            .init("swarmlet port-forward 42 6006", "http://127.0.0.1:6006 is port 6006 of job 42"),
            .init("swarmlet port-forward 42 8080:80", "port 80 of job 42 is reached at 8080"),
        ], run: run)

    private struct Forward {
        let listening: Int32
        let local: UInt16
        let port: UInt16
    }

    /// Connections at once.
    private static let connectionsMax = 256

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let reference = try JobReference(invocation.operands[0], for: "port-forward")
        let directory = try DataDirectory.chosen(invocation)
        guard case .job(let detail) = try LocalClient.call(.inspectJob(reference.job), directory) else {
            throw .badAnswer(reason: "another reply than a job")
        }
        guard !detail.view.state.isEnded else {
            throw .conflict(
                message: "job \(reference.job) has ended: \(detail.view.state.name)", hint: "what runs: swarmlet ps")
        }
        var forwards: [Forward] = []
        for operand in invocation.operands.dropFirst() { forwards.append(try listen(operand)) }
        signal(SIGPIPE, SIG_IGN)
        let signals = try Signals([SIGINT, SIGTERM, SIGHUP])
        for forward in forwards {
            try terminal.result("127.0.0.1:\(forward.local)\n")
            terminal.note("127.0.0.1:\(forward.local) is port \(forward.port) of job \(invocation.operands[0])")
        }
        let counter = Counter()
        while true {
            var polled = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
            polled += forwards.map { pollfd(fd: $0.listening, events: Int16(POLLIN), revents: 0) }
            // Their threads do not speak: what failed is told here, soon.
            let isReady = poll(&polled, nfds_t(polled.count), counter.isIdle ? -1 : 200) > 0
            while let failure = counter.takeFailure() { terminal.report(failure) }
            guard isReady else { continue }
            if let number = signals.next() { return number == SIGINT ? ExitCode.success : ExitCode.signalled(number) }
            for (forward, entry) in zip(forwards, polled.dropFirst()) where entry.revents != 0 {
                let socket = accept(forward.listening, nil, nil)
                guard socket >= 0 else { continue }
                guard counter.begin(below: connectionsMax) else {
                    close(socket)
                    terminal.warn("a connection was refused: \(connectionsMax) are open")
                    continue
                }
                let request = HandRequest(
                    job: reference.job, task: reference.task ?? 0, kind: .connect(port: forward.port))
                try start(ForwardedConnection(socket, directory, request), counter)
            }
        }
    }

    private static func start(_ connection: ForwardedConnection, _ counter: Counter) throws(CommandError) {
        do throws(RingError) {
            let thread = try DedicatedThread("forward")
            try thread.submit { counter.end(connection.run()) }
            thread.finish()
        } catch { throw .localFile(path: "a thread", reason: error.message) }
    }

    private static func listen(_ text: String) throws(CommandError) -> Forward {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt16($0) }
        guard (1...2).contains(parts.count), let port = parts[parts.count - 1], port > 0, let local = parts[0] else {
            throw .badOperand(
                value: text, expectation: "a port, or two: LOCAL:PORT",
                example: "swarmlet port-forward 42 8080:80")
        }
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = local.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var yes: Int32 = 1
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, size) < 0 || Glibc.listen(listening, 64) < 0
                    || getsockname(listening, $0, &size) < 0
            }
        }
        guard !failed else { throw .localFile(path: "127.0.0.1:\(local)", reason: SystemError.text(errno)) }
        return Forward(listening: listening, local: UInt16(bigEndian: address.sin_port), port: port)
    }

    /// Of connections, whose threads count themselves.
    private final class Counter: @unchecked Sendable {
        private var lock = pthread_mutex_t()
        private var open = 0
        private var failures: [CommandError] = []

        init() { pthread_mutex_init(&lock, nil) }

        func begin(below limit: Int) -> Bool {
            pthread_mutex_lock(&lock)
            defer { pthread_mutex_unlock(&lock) }
            guard open < limit else { return false }
            open += 1
            return true
        }

        func end(_ failure: CommandError?) {
            pthread_mutex_lock(&lock)
            defer { pthread_mutex_unlock(&lock) }
            open -= 1
            if let failure, failures.count < 16 { failures.append(failure) }
        }

        /// Nothing is open and nothing is to be told.
        var isIdle: Bool {
            pthread_mutex_lock(&lock)
            defer { pthread_mutex_unlock(&lock) }
            return open == 0 && failures.isEmpty
        }

        func takeFailure() -> CommandError? {
            pthread_mutex_lock(&lock)
            defer { pthread_mutex_unlock(&lock) }
            return failures.popLast()
        }
    }
}
