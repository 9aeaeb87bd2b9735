import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Node

/// One call to the daemon of this host: a request over its unix socket, and the replies to it.
///
/// Blocking, on the main thread. A message is a little-endian 32-bit length and that many bytes of CBOR; one call per connection.
final class LocalClient {
    private let descriptor: Int32
    private var received: [UInt8] = []
    /// What `sendSoon` took and the socket did not take yet.
    private var outgoing: [UInt8] = []

    /// Longer messages are refused; the list of files of a very large tree comes near it.
    private static let limits = CBORLimits(
        byteCount: TransferConstants.messageBytesMax + 1024, depth: 16, valueCount: 1 << 20)

    /// Connects to the daemon of a data directory.
    init(_ directory: DataDirectory) throws(CommandError) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .connectionLost(reason: SystemError.text(errno)) }
        guard Self.connect(descriptor, to: directory) else {
            let number = errno
            close(descriptor)
            throw Self.unreachable(directory, number)
        }
    }

    /// Connects to the socket that a rank of a gang finds in its sandbox. `connectionLost`: nobody listens there just now.
    init(rankSocket path: String) throws(CommandError) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .connectionLost(reason: SystemError.text(errno)) }
        guard Self.connect(descriptor, path: path) else {
            let number = errno
            close(descriptor)
            // Between two daemons the file is gone for a moment, too.
            guard number != ECONNREFUSED, number != EAGAIN, number != ENOENT || access(GangDoor.place, F_OK) != 0 else {
                throw .connectionLost(reason: SystemError.text(number))
            }
            throw .refused(
                APIFailure(
                    code: "job.gang.no_door",
                    message: "this is no rank of a gang: \(path): \(SystemError.text(number))",
                    hint: "start one: swarmlet run --nodes 2 -- COMMAND", exitCode: ExitCode.swarmlet))
        }
    }

    deinit { close(descriptor) }

    /// Sends one request and returns its first reply; a failure is thrown.
    static func call(_ request: APIRequest, _ directory: DataDirectory) throws(CommandError) -> APIReply {
        let client = try LocalClient(directory)
        try client.send(request)
        return try client.reply()
    }

    func send(_ request: APIRequest) throws(CommandError) { try write(Self.framed(request)) }

    private static func framed(_ request: APIRequest) -> [UInt8] {
        let message = request.cbor.encoded()
        let length = UInt32(message.count).littleEndian
        return withUnsafeBytes(of: length) { Array($0) } + message
    }

    /// Sends while `next` waits, so that who is not being read can still be heard.
    func sendSoon(_ request: APIRequest) { outgoing += Self.framed(request) }

    /// Whether something waits to be sent.
    private var isSending: Bool { !outgoing.isEmpty }

    /// Sends from another thread than the one that receives; false when the connection is gone.
    func post(_ request: APIRequest) -> Bool {
        do throws(CommandError) {
            try write(Self.framed(request), readsRefusal: false)
            return true
        } catch { return false }
    }

    /// Lets a thread that waits for a reply find the end of the connection.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private func flush() {
        let count = outgoing.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
        if count > 0 { outgoing.removeFirst(count) }
        // Nobody hears it any more. What was said before that is still to be read, and then that the connection is closed.
        if count < 0, errno != EAGAIN, errno != EINTR { outgoing.removeAll() }
    }

    /// Waits for the next reply. A failure, the end of the connection and what cannot be understood are thrown.
    func reply() throws(CommandError) -> APIReply {
        while true {
            switch try next(signals: nil, until: nil) {
            case .reply(let reply): return reply
            case .closed: throw .connectionLost(reason: "it closed the connection")
            case .signal, .deadline, .input: continue
            }
        }
    }

    /// What ended a wait.
    enum Event {
        case reply(APIReply)
        case signal(Int32)
        case deadline
        case closed
        /// The other descriptor can be read.
        case input
    }

    /// Waits for a reply, a signal or a point of the boot clock, whichever comes first; a signal goes before a reply.
    /// With `input`, that descriptor is waited for as well, while nothing waits to be sent.
    func next(
        signals: Signals?, until deadline: Instant?, input: Int32? = nil
    ) throws(CommandError) -> Event {
        while true {
            if let signal = signals?.next() { return .signal(signal) }
            if let reply = try decoded() { return .reply(reply) }
            if isSending { flush() }
            let input = isSending ? nil : input
            switch Self.wait(for: descriptor, signals: signals, until: deadline, input: input, sends: isSending) {
            case .deadline: return .deadline
            case .signal: continue
            case .readable: if try !fill() { return .closed }
            case .input: return .input
            case .writable: continue
            }
        }
    }

    enum Readiness {
        case readable, writable, signal, deadline, input
    }

    /// Waits until a descriptor (nil: none) can be read, a signal waits, or the deadline passes.
    static func wait(
        for descriptor: Int32?, signals: Signals?, until deadline: Instant?, input: Int32? = nil, sends: Bool = false
    ) -> Readiness {
        var descriptors = [
            pollfd(fd: signals?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor ?? -1, events: Int16(sends ? POLLIN | POLLOUT : POLLIN), revents: 0),
            pollfd(fd: input ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            var milliseconds: Int32 = -1
            if let deadline {
                let left = (deadline - Clock.sinceBoot()).nanoseconds
                guard left > 0 else { return .deadline }
                milliseconds = Int32(min(left / 1_000_000 + 1, 3_600_000))
            }
            guard poll(&descriptors, 3, milliseconds) > 0 else { continue }
            if descriptors[0].revents != 0 { return .signal }
            if descriptors[1].revents & ~Int16(POLLOUT) != 0 { return .readable }
            return descriptors[2].revents != 0 ? .input : .writable
        }
    }

    // MARK: Bytes

    private func decoded() throws(CommandError) -> APIReply? {
        guard received.count >= 4 else { return nil }
        let length = received[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.limits.byteCount else { throw .badAnswer(reason: "a message of \(length) bytes") }
        guard received.count >= 4 + length else { return nil }
        let message = Array(received[4..<4 + length])
        received.removeFirst(4 + length)
        let reply: APIReply
        do throws(CodecError) {
            reply = try APIReply(cbor: try CBOR.decode(message, limits: Self.limits))
        } catch {
            throw .badAnswer(reason: error.message)
        }
        if case .failure(let failure) = reply { throw .refused(failure) }
        return reply
    }

    /// Reads what is there; false when the other side has closed.
    private func fill() throws(CommandError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { received.append(contentsOf: buffer[..<count]) }
        if count < 0, errno == ECONNRESET { return false }
        if count < 0, errno != EINTR, errno != EAGAIN { throw .connectionLost(reason: SystemError.text(errno)) }
        return count != 0
    }

    private func write(_ bytes: [UInt8], readsRefusal: Bool = true) throws(CommandError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                guard readsRefusal else { throw .connectionLost(reason: SystemError.text(errno)) }
                throw try refusalBeforeLoss()
            }
        }
    }

    /// A daemon that refuses a request may close before it has read all of it: what it said counts more than the broken pipe.
    private func refusalBeforeLoss() throws(CommandError) -> CommandError {
        let reason = SystemError.text(errno)
        while try fill() {}
        _ = try decoded()
        return .connectionLost(reason: reason)
    }

    // MARK: Connecting

    private static func connect(_ descriptor: Int32, to directory: DataDirectory) -> Bool {
        let limit = 107
        if directory.socket.utf8.count <= limit { return connect(descriptor, path: directory.socket) }
        // A unix socket's address holds 107 bytes: reach deeper directories through a descriptor of theirs.
        let handle = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { return false }
        defer { close(handle) }
        return connect(descriptor, path: "/proc/self/fd/\(handle)/socket")
    }

    private static func connect(_ descriptor: Int32, path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) == 0 }
        }
    }

    private static func unreachable(_ directory: DataDirectory, _ number: Int32) -> CommandError {
        guard number == EACCES || number == EPERM else {
            let reason = number == ENOENT ? "no daemon has run" : number == ECONNREFUSED ? "it has stopped" : nil
            return .daemonUnreachable(dataDirectory: directory.path, reason: reason ?? SystemError.text(number))
        }
        return .refused(
            APIFailure(
                code: "auth.denied", message: "denied: \(directory.path) belongs to another user",
                hint: "ask an administrator of this host, or start your own node: swarmlet --data-dir DIR up",
                exitCode: ExitCode.denied))
    }
}
