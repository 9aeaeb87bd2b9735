import Codec
import Glibc
import Node
import Scheduler
import Tokens

extension GuestClients {
    /// A token is withdrawn while each member of the mesh is asked with it all the time, and while an answer of each goes on:
    /// how long after the mesh has acknowledged that each says no, and how long each answer lasts.
    func withdrawals(_ issuer: GuestIssuer, socket: String, rounds: Int) throws -> JSON {
        try run(1) { [self] _ in
            for round in 0..<rounds {
                let token = try issuer.token(number: round, uses: 1, now: now)
                let callers = try token.addresses.indices.map { try GuestCaller(token, on: loop, first: $0) { _ in } }
                guard let job = try await answer(to: submit(), with: callers[0]).job else {
                    throw LoadError.refused("a token that is good")
                }
                let ends = callers.map { Ending($0) }
                let streams = ends.map { end in
                    loop.spawn("stream") { await end.note { try await $0.ask(.wait([job])) } }
                }
                // Asked after them by the same clients: then the others are being answered.
                for caller in callers { _ = try await caller.ask(.jobs(JobsRequest())) }
                try withdraw(token, socket)
                let acknowledged = monotonic()
                for caller in callers {
                    let end = Ending(caller)
                    while end.at == nil {
                        guard monotonic() - acknowledged < GuestClients.withdrawalMax else {
                            throw LoadError.refused("a withdrawal that every member believes within a minute")
                        }
                        await end.note { try await $0.ask(.jobs(JobsRequest())) }
                        // As often as a token may ask.
                        if end.at == nil { try await loop.sleep(for: .milliseconds(50)) }
                    }
                    asked.append(.number(Double((end.at ?? 0) - acknowledged) / 1e6))
                }
                for (stream, end) in zip(streams, ends) {
                    await stream.value
                    guard let at = end.at else { throw LoadError.refused("an answer that ends with the token") }
                    // One that ended before the acknowledgement was quicker than can be said.
                    streamed.append(.number(Double(max(at, acknowledged) - acknowledged) / 1e6))
                }
            }
        }
        return ["asked_ms": .array(asked), "stream_ms": .array(streamed)]
    }

    /// Nanoseconds.
    private static let withdrawalMax: UInt64 = 60_000_000_000

    /// By a member, as `token revoke` does it; returns when it is acknowledged.
    private func withdraw(_ token: AccessToken, _ socket: String) throws(LoadError) {
        let connection = try Connection(path: socket)
        try connection.send(.token(.revoke(TokenRevocation(.token(token.grant.names[0]), by: ""))))
        var waiting = [pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)]
        while poll(&waiting, 1, 15_000) > 0 {
            guard let answer = try connection.answer() else { continue }
            guard case .done = answer else { throw .refused("\(answer)") }
            return
        }
        throw .system("a withdrawal", ETIMEDOUT)
    }

    /// When a member said that the token is withdrawn.
    private final class Ending: @unchecked Sendable {
        private(set) var at: UInt64?
        private let caller: GuestCaller

        init(_ caller: GuestCaller) { self.caller = caller }

        func note(_ ask: (GuestCaller) async throws -> APIReply) async {
            do {
                if case .failure(let failure) = try await ask(caller), failure.code == "token.revoked" {
                    at = monotonic()
                }
            } catch {
                // A connection that broke says nothing of the token.
            }
        }
    }
}
