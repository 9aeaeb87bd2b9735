import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// A program that somebody runs beside the command of an attempt of this host. Confined to its loop.
///
/// Between the caller's messages and the program lie pipes, or a terminal whose other end is the program's.
final class HandSession: @unchecked Sendable {
    private let node: MeshNode
    private let stream: any MessageStream
    private let hand: Hand
    /// Our ends; a terminal is both. -1: closed.
    private var input: Int32
    private let outputs: [(descriptor: Int32, stream: UInt8)]
    private let isTerminal: Bool
    private var pumping = 0
    private var waiting: Set<Int32> = []
    private let pumpEnded: LoopSignal

    private static let pieceBytes = 64 * 1024
    /// After its end: how long something else may hold its output open before that is cut off.
    private static let outputPatience = Interval.milliseconds(300)
    /// Between the hang-up of the caller and the end by force.
    private static let hangUpGrace = Interval.seconds(5)

    private init(
        _ node: MeshNode, _ stream: any MessageStream, _ hand: Hand, input: Int32,
        outputs: [(descriptor: Int32, stream: UInt8)], isTerminal: Bool
    ) {
        self.node = node
        self.stream = stream
        self.hand = hand
        self.input = input
        self.outputs = outputs
        self.isTerminal = isTerminal
        pumpEnded = LoopSignal(node.loop)
    }

    /// Runs it to its end, and tells its exit code last.
    static func run(
        _ arguments: [String], _ terminal: HandTerminal?, of key: AttemptKey, keepsLeft: Bool, _ node: MeshNode,
        _ stream: any MessageStream
    ) async throws {
        var ends = try Ends(terminal, owner: node.plan(for: key)?.lookedUpAccount().user)
        let hand: Hand
        do {
            let variables = terminal.map { ["TERM=\($0.name)"] } ?? []
            hand = try node.runner.begin(
                key,
                .run(
                    arguments: arguments, environment: variables, hasTerminal: terminal != nil, keepsLeft: keepsLeft),
                passing: ends.takeTheirs())
        } catch {
            ends.closeOurs()
            throw error
        }
        let session = HandSession(
            node, stream, hand, input: ends.input, outputs: ends.outputs, isTerminal: terminal != nil)
        try await session.run()
    }

    private func run() async throws {
        for output in outputs {
            pumping += 1
            node.loop.spawn("output of a hand") { [self] in await pump(output) }
        }
        let reader = node.loop.spawn("input of a hand") { [self] in await readInput() }
        defer {
            reader.cancel()
            closeInput()
            for output in outputs where output.descriptor != input { node.loop.close(output.descriptor) }
            node.runner.forget(hand)
        }
        let code = try await hand.wait()
        await finishOutput()
        try await stream.send(APIReply.hand(.ended(exitCode: code)).encoded())
    }

    // MARK: Output

    private func pump(_ output: (descriptor: Int32, stream: UInt8)) async {
        defer {
            pumping -= 1
            pumpEnded.notify()
        }
        var buffer = [UInt8](repeating: 0, count: HandSession.pieceBytes)
        do {
            while true {
                let count = read(output.descriptor, &buffer, buffer.count)
                if count > 0 {
                    let bytes = Bytes(Array(buffer[..<count]))
                    try await stream.send(APIReply.hand(.bytes(stream: output.stream, bytes)).encoded())
                    continue
                }
                // A terminal that nobody has open any more says EIO.
                guard count < 0, errno == EAGAIN || errno == EINTR else { return }
                waiting.insert(output.descriptor)
                defer { waiting.remove(output.descriptor) }
                try await node.loop.readable(output.descriptor, deadline: nil)
            }
        } catch {
            // The caller is gone, or the descriptor was closed because the program is.
        }
    }

    /// What the program has written is passed on to its end; what others still may write is not waited for.
    private func finishOutput() async {
        while pumping > 0 {
            let deadline = node.loop.after(HandSession.outputPatience)
            do {
                if try await pumpEnded.isNotified(before: deadline) { continue }
            } catch { return }
            if waiting.count == pumping { return }
        }
    }

    // MARK: Input

    private func readInput() async {
        do {
            while let bytes = try await stream.receive() {
                guard case .handInput(let input) = try APIRequest(encoded: bytes, limits: APILimits.message) else {
                    break
                }
                try await take(input)
            }
        } catch {
            // However the caller went, it is gone.
        }
        guard hand.end == nil, !Task.isCancelled else { return }
        closeInput()
        node.runner.signal(hand, SIGHUP)
        do { try await node.loop.sleep(for: HandSession.hangUpGrace) } catch { return }
        node.runner.signal(hand, SIGKILL)
    }

    private func take(_ given: HandInput) async throws {
        switch given {
        case .bytes(let bytes) where bytes.count == 0:
            // The end of input is a character to a terminal.
            if isTerminal { try await write([4]) } else { closeInput() }
        case .bytes(let bytes): try await write(bytes.array)
        case .window(let rows, let columns): if isTerminal { _ = clinux_set_window(input, rows, columns) }
        case .signal(let number): node.runner.signal(hand, number)
        }
    }

    private func write(_ bytes: [UInt8]) async throws {
        var done = 0
        while done < bytes.count, input >= 0 {
            let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress! + done, bytes.count - done) }
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                try await node.loop.writable(input, deadline: nil)
            } else if errno != EINTR {
                // It reads no more, which is its affair.
                return
            }
        }
    }

    private func closeInput() {
        guard input >= 0 else { return }
        node.loop.close(input)
        input = -1
    }

    // MARK: Descriptors

    /// Both ends of everything.
    private struct Ends {
        private(set) var input: Int32 = -1
        private(set) var outputs: [(descriptor: Int32, stream: UInt8)] = []
        private var theirs: [Int32] = []

        init(_ terminal: HandTerminal?, owner: JobUser?) throws {
            do {
                if let terminal {
                    var (ours, other): (Int32, Int32) = (-1, -1)
                    try Ends.check(clinux_open_terminal(&ours, &other), "terminal")
                    _ = clinux_set_window(ours, terminal.rows, terminal.columns)
                    // As login(1) leaves it: the user's own.
                    if let owner { _ = fchown(other, owner.user, gid_t.max) }
                    input = ours
                    outputs = [(ours, 1)]
                    theirs = [other, try Ends.copy(other), try Ends.copy(other)]
                } else {
                    input = try open(isInput: 1)
                    outputs.append((try open(isInput: 0), 1))
                    outputs.append((try open(isInput: 0), 2))
                }
            } catch {
                closeOurs()
                for descriptor in theirs { close(descriptor) }
                throw error
            }
        }

        private mutating func open(isInput: Int32) throws -> Int32 {
            var (ours, other): (Int32, Int32) = (-1, -1)
            try Ends.check(clinux_open_pipe(isInput, &ours, &other), "pipe")
            theirs.append(other)
            return ours
        }

        private static func copy(_ descriptor: Int32) throws -> Int32 {
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 10)
            try check(copy < 0 ? -errno : 0, "dup")
            return copy
        }

        private static func check(_ result: Int32, _ operation: String) throws {
            if result < 0 { throw HostError.system(operation: operation, path: "", errorNumber: -result) }
        }

        mutating func takeTheirs() -> [Int32] { exchange(&theirs, with: []) }

        func closeOurs() {
            if input >= 0 { close(input) }
            for output in outputs where output.descriptor != input { close(output.descriptor) }
        }
    }
}
