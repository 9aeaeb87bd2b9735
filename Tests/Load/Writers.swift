import Codec
import Glibc
import Node
import Scheduler

/// Clients that each write one setting of their own again and again, the next when the one before is acknowledged.
struct Writers {
    private var connections: [Connection] = []
    private var sentAt: [UInt64] = []
    private var polls: [pollfd] = []
    private let value: String
    private let boot = monotonic() << 20 | UInt64(getpid())
    private var requests: UInt64 = 0
    private(set) var latencies: [UInt64] = []

    /// One client for each of the sockets.
    init(sockets: [String], bytes: Int) throws(LoadError) {
        value = String(repeating: "v", count: bytes)
        for socket in sockets { connections.append(try Connection(path: socket)) }
        sentAt = connections.map { _ in 0 }
        polls = connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    }

    /// Everyone writes for so long; what is under way at the end is waited for.
    mutating func run(seconds: Double) throws(LoadError) -> Double {
        let start = monotonic()
        let end = start + UInt64(seconds * 1e9)
        for client in connections.indices { try write(client) }
        var underway = connections.count
        while underway > 0 {
            try wait(milliseconds: 30_000)
            for client in polls.indices where polls[client].revents != 0 {
                guard try takeAnswer(client) else { continue }
                if monotonic() < end { try write(client) } else { underway -= 1 }
            }
        }
        return Double(monotonic() - start) / 1e9
    }

    /// Everyone writes once: nanoseconds until the first acknowledgement.
    mutating func first(limitSeconds: Int) throws(LoadError) -> UInt64 {
        let start = monotonic()
        for client in connections.indices { try write(client) }
        while true {
            try wait(milliseconds: Int32(limitSeconds * 1_000))
            for client in polls.indices where polls[client].revents != 0 {
                if try takeAnswer(client) { return monotonic() - start }
            }
        }
    }

    private mutating func write(_ client: Int) throws(LoadError) {
        requests += 1
        let request = ConfigureRequest(
            request: RequestID(high: boot, low: requests), key: "user.load-\(client)", value: value)
        sentAt[client] = monotonic()
        try connections[client].send(.configure(request))
    }

    private mutating func wait(milliseconds: Int32) throws(LoadError) {
        let ready = poll(&polls, nfds_t(polls.count), milliseconds)
        if ready == 0 { throw .system("no answer", ETIMEDOUT) }
        if ready < 0, errno != EINTR { throw .system("poll", errno) }
    }

    private mutating func takeAnswer(_ client: Int) throws(LoadError) -> Bool {
        guard let answer = try connections[client].answer() else { return false }
        guard case .done = answer else { throw .refused("\(answer)") }
        latencies.append(monotonic() - sentAt[client])
        return true
    }
}
