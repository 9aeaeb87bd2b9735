import Codec
import Glibc
import Node
import Tokens

/// Members' commands that have tokens made, each the next when it has the one before.
struct TokenIssues {
    private var connections: [Connection] = []
    private var sentAt: [UInt64] = []
    private(set) var latencies: [UInt64] = []

    init(socket: String, clients: Int) throws(LoadError) {
        for _ in 0..<clients { connections.append(try Connection(path: socket)) }
        sentAt = connections.map { _ in 0 }
    }

    /// - Returns: how many seconds it took.
    mutating func run(seconds: Double) throws(LoadError) -> Double {
        let start = monotonic()
        let end = start + UInt64(seconds * 1e9)
        var polls = connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        for client in connections.indices { try ask(client) }
        var underway = connections.count
        while underway > 0 {
            guard poll(&polls, nfds_t(polls.count), 30_000) > 0 else { throw .system("a token", ETIMEDOUT) }
            for client in polls.indices where polls[client].revents != 0 {
                guard let answer = try connections[client].answer() else { continue }
                guard case .bytes = answer else { throw .refused("\(answer)") }
                latencies.append(monotonic() - sentAt[client])
                if monotonic() < end { try ask(client) } else { underway -= 1 }
            }
        }
        return Double(monotonic() - start) / 1e9
    }

    private mutating func ask(_ client: Int) throws(LoadError) {
        let draft = AccessDraft(
            holder: SigningKey.generate().publicKey, acts: .init([.run, .logs, .fetch, .cancel]), lifetime: 3_600)
        sentAt[client] = monotonic()
        try connections[client].send(.token(.issue(draft, addresses: [])))
    }
}
