import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// The door for people outside the mesh: it verifies what they show, gives them what their token allows and nothing else,
/// and ends what goes on when the token is revoked. Confined to its loop.
final class GuestServer: @unchecked Sendable {
    private let node: MeshNode
    private let check: GuestCheck
    /// Strangers that have not shown a token yet.
    private var asking = 0
    private var open = 0

    private static let askingMax = 64
    /// Calls that are answered at once, of all together and of one token.
    private static let openMax = 256
    private static let openOfOneMax = 16
    private var openOf: [String: Int] = [:]
    private var nextNote = Instant.zero
    private var unnoted = 0
    /// How often a call that goes on is looked at again: well within the 15 s in which a revocation has to count.
    private static let pause = Interval.seconds(3)
    /// A view that is older may be too old by the time that the call is looked at again.
    private static let viewSecondsMax = AccessConstants.freshnessSeconds - 5
    /// A guest that says nothing is sent away.
    private static let patience = Interval.seconds(10)

    init(node: MeshNode, check: GuestCheck) {
        self.node = node
        self.check = check
    }

    /// Answers one call.
    func serve(_ stream: any MessageStream, _ session: Session) async {
        guard asking < GuestServer.askingMax else { return stream.cancel() }
        do {
            guard let call = try await asked(stream) else { return stream.cancel() }
            try await answer(call, stream, session)
            await stream.finish()
            _ = try await stream.receive()
        } catch {
            let failure = told(error, session)
            do {
                try await stream.send(APIReply.failure(failure).encoded())
                await stream.finish()
                _ = try await stream.receive()
            } catch {
                stream.cancel()
            }
        }
    }

    private func asked(_ stream: any MessageStream) async throws -> GuestCall? {
        asking += 1
        defer { asking -= 1 }
        // The time of this node: a proof is made by it.
        try await stream.send(check.now.encoded())
        let patience = node.loop.schedule(at: node.loop.after(GuestServer.patience)) { stream.cancel() }
        defer { node.loop.cancel(patience) }
        guard let bytes = try await stream.receive() else { return nil }
        return try GuestCall(encoded: bytes, limits: APILimits.message)
    }

    /// What a guest is told of an error; the reason of a refusal stays in the log of this node.
    private func told(_ error: any Error, _ session: Session) -> APIFailure {
        guard let refusal = error as? AccessRefusal else { return APIFailure(error) }
        note("refused a guest at \(session.address): step \(refusal.step.rawValue), \(refusal.reason.code)")
        return APIFailure(refusal.answer)
    }

    /// Once a second at most, so that strangers cannot fill the log.
    private func note(_ text: String) {
        unnoted += 1
        guard node.loop.now >= nextNote else { return }
        node.log.note(unnoted > 1 ? "\(text), and \(unnoted - 1) others before it" : text)
        unnoted = 0
        nextNote = node.loop.after(.seconds(1))
    }

    private func answer(_ call: GuestCall, _ stream: any MessageStream, _ session: Session) async throws {
        let request = try APIRequest(encoded: call.request.array, limits: APILimits.message)
        let about = AccessProof.About(
            channel: session.handshakeHash, operation: GuestCall.operation(of: request) ?? "",
            requestBytes: call.request.array, node: node.identity.publicKey.id)
        let presented = AccessVerifier.Presentation(
            links: call.links, proof: AccessProof(token: call.proof), about: about)
        // Whose token is not good costs the mesh nothing: no question to the leader, no look into the history.
        try verifyAtOnce(presented)
        // What was revoked anywhere before this question is known here.
        try await check.refresh()
        let wanted = try await wanted(request)
        let decision = try check.verify(presented, for: wanted)
        guard GuestCall.operation(of: request) != nil else {
            throw TokenError.accessDenied(allowed: decision.grant.acts.description)
        }
        guard open < GuestServer.openMax else { throw NodeError.busy }
        open += 1
        defer { open -= 1 }
        let name = decision.grant.names[0]
        guard openOf[name, default: 0] < GuestServer.openOfOneMax else { throw NodeError.busy }
        openOf[name, default: 0] += 1
        defer {
            let left = (openOf[name] ?? 1) - 1
            openOf[name] = left > 0 ? left : nil
        }
        let caller = RequestHandler.Caller(
            user: 65_534, group: 65_534, name: "token:\(decision.grant.shortID)", isAdministrator: false,
            guest: RequestHandler.Guest(
                decision: decision, call: call, about: about))
        try await carryOut(request, wanted, decision, caller, stream)
    }

    /// By what is known here now, for no act: links, times, revocations and the proof.
    private func verifyAtOnce(_ presented: AccessVerifier.Presentation) throws(AccessRefusal) {
        do throws(AccessRefusal) { _ = try check.verify(presented, for: AccessRequest(nil)) } catch {
            guard error.step == .freshness else { throw error }
        }
    }

    /// Answers, and meanwhile sees to it that the answer ends when the token does.
    private func carryOut(
        _ request: APIRequest, _ wanted: AccessRequest, _ decision: AccessVerifier.Decision,
        _ caller: RequestHandler.Caller, _ stream: any MessageStream
    ) async throws {
        let ending = Ending()
        // A job that is being started belongs to the token only when it is there: nothing is to be looked at again.
        let watcher =
            request.isConversation
            ? nil
            : node.loop.spawn("guest watch") { [self] in
                while !Task.isCancelled {
                    do {
                        try await node.loop.sleep(for: GuestServer.pause)
                        try await check.refresh()
                    } catch {
                        // The loop has ended, or too much is asked: then the view grows old, which is seen next.
                        if Task.isCancelled { return }
                    }
                    do throws(AccessRefusal) {
                        guard check.viewAge <= GuestServer.viewSecondsMax else {
                            throw AccessRefusal(step: .freshness, reason: .accessStale(seconds: check.viewAge))
                        }
                        let again = AccessRequest(
                            wanted.act, job: wanted.job.flatMap { job($0.number) }, path: wanted.path)
                        try check.verifyAgain(decision.grant, for: again)
                    } catch {
                        ending.refusal = error
                        ending.work?.cancel()
                        return
                    }
                }
            }
        let work = node.loop.spawn("guest call") { [self] in
            do {
                let handler = RequestHandler(node: node, caller: caller, stream: stream)
                if request.waitsForEvents {
                    try await node.loop.answer(stream) { try await handler.answer(request) }
                } else {
                    try await handler.answer(request)
                }
            } catch {
                ending.failure = error
            }
        }
        ending.work = work
        await work.value
        watcher?.cancel()
        if let refusal = ending.refusal { throw refusal }
        if let failure = ending.failure { throw failure }
    }

    private final class Ending: @unchecked Sendable {
        var work: Task<Void, Never>?
        var failure: (any Error)?
        var refusal: AccessRefusal?
    }

    /// What a request comes to, as the token has to allow it.
    private func wanted(_ request: APIRequest) async throws -> AccessRequest {
        switch request {
        case .submit(let submit): AccessRequest(.run, asks: GuestJob.asks(submit.spec))
        case .follow(let follow): AccessRequest(.logs, job: try await known(follow.job))
        case .followArray(let follow): AccessRequest(.logs, job: try await known(follow.job))
        case .logs(let logs): AccessRequest(.logs, job: try await known(logs.job))
        case .inspectJob(let id): AccessRequest(nil, job: try await known(id))
        case .cancel(let cancel): AccessRequest(.cancel, job: try await known(cancel.job))
        case .wait(let ids):
            // One at a time: each has to be allowed.
            AccessRequest(nil, job: try await known(ids.count == 1 ? ids[0] : 0))
        case .fetch(let fetch):
            AccessRequest(
                .fetch, job: try await known(fetch.job), path: fetch.path.map { String($0.drop { $0 == "/" }) })
        case .jobs: AccessRequest(nil)
        case .members: AccessRequest(.status)
        // Verified, and then refused.
        default: AccessRequest(nil)
        }
    }

    /// A job that is not there looks as one that is somebody else's.
    private func known(_ id: JobID) async throws -> AccessRequest.Job {
        guard let record = await node.state(knowing: id)?.job(id) else {
            return AccessRequest.Job(number: "\(id)", startedWith: [], ended: 0)
        }
        return GuestServer.job(record)
    }

    private func job(_ number: String) -> AccessRequest.Job? {
        JobID(number).flatMap { node.state.job($0) }.map(GuestServer.job)
    }

    private static func job(_ record: JobRecord) -> AccessRequest.Job {
        AccessRequest.Job(
            number: "\(record.id)", startedWith: record.spec.guest?.names ?? [],
            ended: record.endedAt.map { $0 / 1_000_000_000 })
    }
}
