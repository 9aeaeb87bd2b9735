import CLinux
import Codec
import GPUBackend
import Glibc
import Ring
import Scheduler

/// The daemon's side of one supervisor: its socket and its lease page. Confined to its loop.
///
/// A supervisor serves one job on this host and outlives the daemon; whatever it said and nobody acknowledged, it says
/// again to the next daemon.
final class SupervisorLink: @unchecked Sendable {
    let job: JobID
    let directory: SupervisorDirectory
    let page: LeasePage
    /// Events in the order they happened; nil is the end of the supervisor.
    var onEvent: ((SupervisorEvent?) -> Void)?

    /// What the supervisor speaks: what this daemon does, where it started it; else 1 until it has said so.
    private(set) var version: UInt32

    /// Attempts that it was given or has, and has not said the end of.
    private var held: Set<AttemptKey> = []

    private let loop: any EventLoop
    private let socket: Int32
    private let outgoing: LoopQueue<Piece>
    private var isClosed = false

    /// Bytes on their way, and the descriptors that go with the first of them, which are ours to close.
    private struct Piece: Sendable {
        var bytes: [UInt8]
        var descriptors: [Int32] = []
    }

    /// Requests to one supervisor that may wait to be written: more than it keeps attempts.
    private static let outgoingMax = 16_384
    private static let sendBytes = 64 * 1024

    /// Connects to the supervisor of this directory; `socket` is the connection where there is one.
    init(
        job: JobID, directory: SupervisorDirectory, socket connected: Int32? = nil, isOwn: Bool = false,
        loop: any EventLoop
    ) throws {
        version = isOwn ? SupervisorRequest.version : 1
        self.job = job
        self.directory = directory
        self.loop = loop
        page = try directory.leasePage()
        if let connected { socket = connected } else { socket = try directory.connect() }
        outgoing = LoopQueue(loop, capacity: SupervisorLink.outgoingMax)
    }

    /// Begins to read and write. What was not acknowledged comes first, then `.replayed`.
    func start() {
        send(.hello(version: SupervisorRequest.version, directory: directory.path))
        loop.spawn("supervisor \(job) writer") { [self] in await write() }
        loop.spawn("supervisor \(job) reader") { [self] in await read() }
    }

    /// It would decline another attempt.
    var isFull: Bool { held.count >= SupervisorMain.attemptMaximum }

    func send(_ request: SupervisorRequest) {
        if case .start(let spec) = request { held.insert(spec.key) }
        if !outgoing.offer(Piece(bytes: SupervisorFrames<SupervisorRequest>.frame(request))) { close() }
    }

    /// Takes the descriptors, whatever comes of it.
    func send(_ order: HandOrder, passing descriptors: [Int32]) {
        let bytes = SupervisorFrames<SupervisorRequest>.frame(.hand(order))
        guard !isClosed, outgoing.offer(Piece(bytes: bytes, descriptors: descriptors)) else {
            for descriptor in descriptors { Glibc.close(descriptor) }
            return close()
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        outgoing.finish()
        loop.close(socket)
    }

    private func write() async {
        do {
            while var piece = try await outgoing.next() {
                // What waits already goes with it, unless it has descriptors: those go with the bytes that name them.
                while piece.descriptors.isEmpty, outgoing.count > 0, piece.bytes.count < SupervisorLink.sendBytes,
                    let more = try await outgoing.next()
                {
                    if !more.descriptors.isEmpty {
                        try await loop.send(socket, piece.bytes, deadline: nil)
                        piece = more
                        break
                    }
                    piece.bytes += more.bytes
                }
                if piece.descriptors.isEmpty {
                    try await loop.send(socket, piece.bytes, deadline: nil)
                } else {
                    try await pass(piece)
                }
            }
        } catch {
            close()
        }
        while let left = outgoing.poll() { for descriptor in left.descriptors { Glibc.close(descriptor) } }
    }

    private func pass(_ piece: Piece) async throws {
        defer { for descriptor in piece.descriptors { Glibc.close(descriptor) } }
        while true {
            let sent = clinux_send_descriptors(
                socket, piece.bytes, piece.bytes.count, piece.descriptors, piece.descriptors.count)
            if sent > 0 {
                guard sent < piece.bytes.count else { return }
                return try await loop.send(socket, Array(piece.bytes[sent...]), deadline: nil)
            }
            guard sent == -Int(EAGAIN) else { throw RingError.system("sendmsg", Int32(-sent)) }
            try await loop.writable(socket, deadline: nil)
        }
    }

    private func take(_ event: SupervisorEvent) {
        switch event {
        case .welcome(let spoken, _): version = spoken
        case .started(let key, _, _): held.insert(key)
        case .ended(let key, _), .declined(let key, _): held.remove(key)
        default: break
        }
        onEvent?(event)
    }

    private func read() async {
        var frames = SupervisorFrames<SupervisorEvent>()
        do {
            while true {
                let bytes = try await loop.receive(socket, maximum: 64 * 1024)
                if bytes.isEmpty { break }
                frames.append(bytes)
                while let event = try frames.next() {
                    take(event)
                }
            }
        } catch {
            // Whatever ended the connection, it was the supervisor's last word to this daemon.
        }
        close()
        onEvent?(nil)
        onEvent = nil
    }
}
