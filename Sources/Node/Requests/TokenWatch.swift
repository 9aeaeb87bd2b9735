import Codec
import Ring
import Scheduler

/// Tells what happens to tokens, and goes on telling. Confined to its loop.
struct TokenWatch {
    let node: MeshNode
    let caller: RequestHandler.Caller
    /// Nil: all that the caller may see.
    let token: String?

    private static let eventsPerReply = 100

    func run(tell: (TokenEventsView) async throws -> Void) async throws {
        var last: UInt64 = 0
        while true {
            let reading = node.tokenNews.read(after: last, countMax: TokenWatch.eventsPerReply)
            // Before this question nothing was missed that anybody had asked for.
            let missed = last == 0 ? 0 : reading.missed
            last = reading.last
            let events = reading.items.filter(mayBeSeen).map {
                TokenEventView(at: $0.at, token: $0.token, event: $0.event, detail: $0.detail)
            }
            if missed > 0 || !events.isEmpty { try await tell(TokenEventsView(missed: missed, events: events)) }
            if reading.items.isEmpty {
                guard node.isRunning else { throw NodeError.stopping }
                try await node.driver.changes.wait()
            }
        }
    }

    /// What is about many tokens, and about those of somebody else, is an administrator's.
    private func mayBeSeen(_ item: TokenNews.Item) -> Bool {
        if let token, item.token != token { return false }
        guard !caller.isAdministrator else { return true }
        let maker = TokenService(node: node, caller: caller).maker
        return item.token.flatMap { node.state.token($0) }?.madeBy == maker
    }
}

extension TokenNews {
    /// What a change of the state says of tokens.
    mutating func add(_ event: StateEvent, in state: SchedulerState) {
        func add(_ token: String?, _ event: TokenEventView.Event, _ detail: String?) {
            self.add(Item(at: state.time, token: token, event: event, detail: detail))
        }
        switch event {
        case .tokenIssued(let name): add(name, .issued, "by \(state.token(name)?.madeBy ?? "-")")
        case .tokenSpent(let name, let job): add(name, .used, "job \(job)")
        case .tokenRefused(let name, let code): add(name, .refused, code)
        case .tokenRevoked(let subject):
            let by = "by \(state.tokenRevocation(subject)?.by ?? "-")"
            switch subject {
            case .token(let name): add(name, .revoked, by)
            case .holder(let key): add(nil, .revoked, "all of holder \(key), \(by)")
            case .issuer(let key): add(nil, .revoked, "all of issuer \(key), \(by)")
            }
        case .tokenEpochRaised(let person): add(nil, .revoked, "all that there were, by \(person)")
        case .tokenIssuerAdded(let id): add(nil, .issuer, "\(state.issuer(id)?.name ?? "-"), \(id)")
        default: break
        }
    }
}
