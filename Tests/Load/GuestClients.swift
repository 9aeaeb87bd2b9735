import Codec
import Glibc
import Node
import Ring
import Scheduler
import Tokens

/// People outside the mesh, with nothing but tokens: they start jobs through all members at once, ask again where nobody
/// answers, and keep what they were told. One thread.
final class GuestClients: @unchecked Sendable {
    /// What a client was told of a token of one use.
    struct Told {
        let name: String
        /// The job that it started, or why it starts none; nil: nobody has answered in time.
        var job: JobID?
        var code: String?
        var tries = 0

        var json: JSON {
            .object([
                ("name", .string(name)), ("job", job.map { .integer(Int64(clamping: $0)) } ?? .null),
                ("code", code.map { .string($0) } ?? .null), ("tries", .integer(Int64(tries))),
            ])
        }
    }

    let loop: any EventLoop
    private let high = UInt64.random(in: 0...(.max))
    private var requests: UInt64 = 0
    private var failure: (any Error)?
    private var left = 0
    private var told: [Told] = []
    private var wrong: [String] = []
    /// How long withdrawn tokens still worked, in milliseconds.
    var asked: [JSON] = []
    var streamed: [JSON] = []
    private var latencies: [UInt64] = []
    private var codes: [String: Int64] = [:]

    private static let patienceSeconds: Int64 = 120
    private static let pause = Interval.milliseconds(25)
    /// Answers after which it is not known, or not final, what becomes of the request.
    private static let passing = ["token.rate", "token.view_old", "token.calls_open"]

    init() throws {
        loop = try EventLoops.make()
        try Sodium.start()
    }

    // MARK: What is measured

    /// Each client uses one token after the other, all of one use, and is told that each job is durable.
    func consume(_ issuer: GuestIssuer, clients: Int, seconds: Double) throws -> JSON {
        let began = monotonic()
        let end = began + UInt64(seconds * 1e9)
        try run(clients) { [self] client in
            var number = client
            while monotonic() < end {
                let token = try issuer.token(number: number, uses: 1, now: now)
                number += clients
                let start = monotonic()
                let answer = try await answer(to: submit(), with: GuestCaller(token, on: loop, first: number) { _ in })
                guard answer.job != nil else { throw LoadError.refused(answer.code ?? "no answer") }
                latencies.append(monotonic() - start)
            }
        }
        return summary(seconds: Double(monotonic() - began) / 1e9)
    }

    /// One token asks one member for jobs as fast as it can, each time with another request.
    func flood(_ token: AccessToken, clients: Int, count: Int) throws -> JSON {
        try run(clients) { [self] _ in
            let caller = try GuestCaller(token, on: loop) { _ in }
            for _ in 0..<(count / clients) {
                do {
                    switch try await caller.ask(submit()) {
                    case .submitted: codes["submitted", default: 0] += 1
                    case .failure(let failure): codes[failure.code, default: 0] += 1
                    default: codes["another answer", default: 0] += 1
                    }
                } catch {
                    codes["no answer", default: 0] += 1
                }
            }
        }
        return .object(codes.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })
    }

    // MARK: Exactly once

    /// Each client uses so many tokens of one use; one in eight is withdrawn by its holder meanwhile. Whatever dies, it
    /// goes on asking until it is told what became of each, and then checks that it was told the truth.
    func once(_ issuer: GuestIssuer, clients: Int, tokens: Int) throws -> JSON {
        try run(clients) { [self] client in
            for number in 0..<tokens {
                let token = try issuer.token(number: client, uses: 1, now: now)
                let caller = try GuestCaller(token, on: loop, first: Int.random(in: 0..<64)) { _ in }
                let request = submit()
                if (client + number) % 8 == 7 { withdraw(token) }
                let answer = try await answer(to: request, with: caller)
                told.append(answer)
                try await check(answer, request, caller)
            }
        }
        return .object([
            ("tokens", .array(told.map(\.json))), ("wrong", .array(wrong.map { .string($0) })),
        ])
    }

    private func withdraw(_ token: AccessToken) {
        let name = token.grant.names[0]
        loop.spawn("withdraw") { [self] in
            do {
                let caller = try GuestCaller(token, on: loop, first: Int.random(in: 0..<64)) { _ in }
                _ = try await caller.ask(.token(.revoke(TokenRevocation(.token(name), by: ""))))
            } catch {
                // Then it may be withdrawn or not: what the other was told has to be true either way.
            }
        }
    }

    /// The same request again starts nothing and gets the same answer; another one gets nothing of what is spent.
    private func check(_ first: Told, _ request: APIRequest, _ caller: GuestCaller) async throws {
        guard let job = first.job else {
            if first.code == "token.used" { wrong.append("\(first.name) was used before its first use") }
            return
        }
        let again = try await answer(to: request, with: caller)
        if let other = again.job, other != job { wrong.append("\(first.name) started \(job) and \(other)") }
        let second = try await answer(to: submit(), with: caller)
        if let other = second.job { wrong.append("\(first.name) of one use started \(job) and \(other)") }
        guard job % 2 == 0 else { return }
        // Who has heard no answer to his first try is told what became of it, withdrawn or not.
        try await withdraw(with: caller)
        let late = try await answer(to: request, with: caller)
        if late.job != job {
            wrong.append("\(first.name) started \(job), and was told \(late.code ?? "nothing") later")
        }
    }

    /// Asks until the token is withdrawn.
    private func withdraw(with caller: GuestCaller) async throws {
        let deadline = loop.after(.seconds(GuestClients.patienceSeconds))
        while loop.now < deadline {
            do {
                if case .failure(let failure) = try await caller.ask(
                    .token(.revoke(TokenRevocation(.token(caller.tokenName), by: ""))))
                {
                    if failure.code == "token.revoked" { return }
                } else {
                    return
                }
            } catch {
                // Whoever was asked is gone; another member knows.
            }
            try await loop.sleep(for: GuestClients.pause)
        }
        throw LoadError.refused("a withdrawal within \(GuestClients.patienceSeconds) s")
    }

    /// What a request came to: asked through one member after the other until one says so.
    func answer(to request: APIRequest, with caller: GuestCaller) async throws -> Told {
        var told = Told(name: caller.tokenName)
        let deadline = loop.after(.seconds(GuestClients.patienceSeconds))
        while loop.now < deadline {
            told.tries += 1
            do {
                switch try await caller.ask(request) {
                case .submitted(let view):
                    told.job = view.job
                    return told
                case .failure(let failure)
                where failure.code.hasPrefix("token.") && !GuestClients.passing.contains(failure.code):
                    told.code = failure.code
                    return told
                case .failure: break
                default: throw LoadError.unreadable("another reply than a job")
                }
            } catch let error as LoadError {
                throw error
            } catch {
                // Whoever was asked is gone; another member knows.
            }
            try await loop.sleep(for: GuestClients.pause)
        }
        return told
    }

    // MARK: -

    var now: Int64 { EventLoops.wallClock.nanoseconds / 1_000_000_000 }

    func submit() -> APIRequest {
        requests += 1
        var spec = JobSpec(name: "load", command: ["true"], user: "", submitNode: NodeID(0))
        spec.resources = Resources(cpuMillis: 1_000)
        return .submit(SubmitRequest(request: RequestID(high: high, low: requests), spec: spec))
    }

    func run(_ clients: Int, _ body: @escaping @Sendable (Int) async throws -> Void) throws {
        left = clients
        for client in 0..<clients {
            loop.spawn("client") { [self] in
                do { try await body(client) } catch { failure = error }
                left -= 1
                if left == 0 { loop.stop() }
            }
        }
        loop.run()
        if let failure { throw failure }
    }

    private func summary(seconds: Double) -> JSON { GuestClients.summary(of: latencies, seconds: seconds) }

    /// - Parameter latencies: in nanoseconds.
    static func summary(of latencies: [UInt64], seconds: Double) -> JSON {
        let sorted = latencies.sorted()
        func percentile(_ part: Double) -> JSON {
            .number(Double(sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]) / 1e6)
        }
        guard !sorted.isEmpty else { return .null }
        return [
            "count": .integer(Int64(sorted.count)), "per_second": .number(Double(sorted.count) / seconds),
            "p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "max_ms": percentile(1),
        ]
    }
}
