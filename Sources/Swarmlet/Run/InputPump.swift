import Codec
import Glibc
import Node
import Ring
import Scheduler

/// Gives a job what comes on stdin, on a thread of its own, piece by piece: a piece is kept until it is safe beside the
/// job, so that a daemon that is killed loses none of it.
final class InputPump: @unchecked Sendable {
    private let directory: DataDirectory
    private let job: JobID
    private let terminal: Terminal
    /// The piece that is on its way, and the number of its first byte.
    private var piece: [UInt8] = []
    private var offset: UInt64 = 0
    private var isAtEnd = false

    /// A message that does not fit the window of a stream between members would never be through.
    private static let pieceBytes = 64 << 10
    private static let pauseMicroseconds: UInt32 = 50_000

    init(_ directory: DataDirectory, _ job: JobID, _ terminal: Terminal) {
        self.directory = directory
        self.job = job
        self.terminal = terminal
    }

    /// Goes on until the input or the job is at its end, or this process.
    func start() throws(CommandError) {
        do throws(RingError) {
            let thread = try DedicatedThread("input")
            try thread.submit { [self] in run() }
            thread.finish()
        } catch { throw .localFile(path: "a thread", reason: error.message) }
    }

    private func run() {
        while true {
            do throws(CommandError) {
                return try pass(LocalClient(directory))
            } catch {
                switch error {
                // The job has not begun, is paused, or its daemon is on its way back.
                case .refused(let failure)
                where ["job.not_running", "daemon.stopping", "mesh.no_leader"].contains(failure.code)
                    || failure.code.hasPrefix("mesh.session") || failure.code.hasPrefix("mesh.connect"):
                    break
                case .connectionLost, .daemonUnreachable: break
                case .refused(let failure) where failure.code == "job.ended": return
                default: return terminal.warn("job \(job) reads no more: \(error.message)")
                }
                usleep(InputPump.pauseMicroseconds)
            }
        }
    }

    private func pass(_ client: LocalClient) throws(CommandError) {
        try client.send(.hand(HandRequest(job: job, kind: .input)))
        guard try settle(try client.reply()) else { return }
        while true {
            if piece.isEmpty, !isAtEnd { read() }
            try client.send(.handInput(.bytes(Bytes(piece))))
            guard try settle(try client.reply()) else { return }
        }
    }

    /// What is safe is forgotten; false when the job reads no more.
    private func settle(_ reply: APIReply) throws(CommandError) -> Bool {
        guard case .hand(.taken(let count, let isOpen)) = reply else {
            throw .badAnswer(reason: "another reply than how far the job has read")
        }
        guard count >= offset, count - offset <= UInt64(piece.count) else {
            throw .badAnswer(reason: "it has read what nobody gave it")
        }
        piece.removeFirst(Int(count - offset))
        offset = count
        return isOpen
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: InputPump.pieceBytes)
        while true {
            let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                poll(&ready, 1, -1)
                continue
            }
            isAtEnd = count <= 0
            piece = Array(buffer.prefix(max(0, count)))
            return
        }
    }
}
