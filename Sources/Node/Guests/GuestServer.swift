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
    private var open = 0

    /// Calls that are answered at once, of all together and of one token.
    private static let openMax = 256
    private static let openOfOneMax = 16
    private var openOf: [String: Int] = [:]
    private var rates = GuestRates()
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
    ///
    /// - Parameter verified: called when whoever asks has shown a token that is good here.
    func serve(_ stream: any MessageStream, _ session: Session, verified: @escaping () -> Void) async {
        do {
            // In place of a wrong time: nothing was asked of this host yet, so the guest may go to another one.
            try node.requireClock()
            // The time of this node: a proof is made by it.
            try await stream.send(check.now.encoded())
            guard let bytes = try await heard(stream) else { return stream.cancel() }
            try await answer(try GuestCall(encoded: bytes, limits: GuestCall.limits), stream, session, verified)
            await end(stream)
        } catch {
            let failure = told(error, session)
            let refused = error as? Refused
            let reason = (refused?.reason ?? error) as? AccessRefusal
            node.auditKeeper.turnedAway(
                RefusalLog.Refusal(
                    door: "guest", code: reason?.reason.code ?? failure.code, from: "\(session.address)",
                    token: refused?.token))
            do {
                try await stream.send(APIReply.failure(failure).encoded())
                await end(stream)
            } catch {
                stream.cancel()
            }
        }
    }

    /// The next message, of somebody who is not waited for long.
    private func heard(_ stream: any MessageStream) async throws -> [UInt8]? {
        let patience = node.loop.schedule(at: node.loop.after(GuestServer.patience)) { stream.cancel() }
        defer { node.loop.cancel(patience) }
        return try await stream.receive()
    }

    /// The other side reads to the end.
    private func end(_ stream: any MessageStream) async {
        await stream.finish()
        do { _ = try await heard(stream) } catch { stream.cancel() }
    }

    /// Why somebody whose token has been verified is told no.
    private struct Refused: Error {
        let token: String
        let reason: any Error
    }

    /// What a guest is told of an error; the reason of a refusal stays in the log of this node.
    private func told(_ error: any Error, _ session: Session) -> APIFailure {
        let refused = error as? Refused
        let reason = refused?.reason ?? error
        guard let refusal = reason as? AccessRefusal else {
            let failure = APIFailure(reason)
            if failure.code.hasPrefix("token.") { note(failure.code, refused?.token, session) }
            return GuestVeil(state: node.state).veiled(failure)
        }
        note("\(refusal.reason.code), step \(refusal.step.rawValue)", refused?.token, session)
        return APIFailure(refusal.answer)
    }

    /// Once a second at most, so that strangers cannot fill the log.
    private func note(_ why: String, _ token: String?, _ session: Session) {
        unnoted += 1
        guard node.loop.now >= nextNote else { return }
        let others = unnoted > 1 ? ", and \(unnoted - 1) others before it" : ""
        node.log.note("refused a guest at \(session.address): \(why)\(others)")
        node.tokenNews.add(
            TokenNews.Item(
                at: EventLoops.wallClock.nanoseconds, token: token, event: .refused,
                detail: "\(why)\(others), at \(node.views.nodeName(node.id))"))
        node.driver.changes.notify()
        unnoted = 0
        nextNote = node.loop.after(.seconds(1))
    }

    private func answer(
        _ call: GuestCall, _ stream: any MessageStream, _ session: Session, _ verified: () -> Void
    ) async throws {
        let request = try APIRequest(encoded: call.request.array, limits: GuestCall.requestLimits)
        let about = AccessProof.About(
            channel: session.handshakeHash, operation: GuestCall.operation(of: request) ?? "",
            requestBytes: call.request.array, node: node.identity.publicKey.id)
        let presented = AccessVerifier.Presentation(
            links: call.links, proof: AccessProof(token: call.proof), about: about)
        do {
            // Whose token is not good costs the mesh nothing: no question to the leader, no look into the history.
            let shown = try check.verifySoon(presented)
            do {
                try await answer(call, request, presented, about, shown, stream, session, verified)
            } catch {
                throw Refused(token: shown.names[shown.names.count - 1], reason: error)
            }
        } catch {
            guard let job = startedBefore(request, presented, refused: error) else { throw error }
            try await stream.send(APIReply.submitted(SubmittedView(job: job, left: 0)).encoded())
        }
    }

    /// The job that this very request has started before its token ended: whoever asks again may have heard no answer.
    ///
    /// Where a revocation is known, so is everything that was started before it, and nothing is started after it.
    private func startedBefore(
        _ request: APIRequest, _ presented: AccessVerifier.Presentation, refused: any Error
    ) -> JobID? {
        guard case .submit(let submit) = request,
            ((refused as? Refused)?.reason ?? refused) is AccessRefusal,
            let job = node.state.job(startedBy: submit.request), let pass = job.spec.guest,
            pass.requestHash.array == presented.about.request
        else { return nil }
        do throws(AccessRefusal) {
            return try check.whoAsks(presented).holderID.text == pass.holder ? job.id : nil
        } catch {
            return nil
        }
    }

    private func answer(
        _ call: GuestCall, _ request: APIRequest, _ presented: AccessVerifier.Presentation,
        _ about: AccessProof.About, _ shown: AccessGrant, _ stream: any MessageStream, _ session: Session,
        _ verified: () -> Void
    ) async throws {
        let name = shown.names[0]
        let issuer = shown.issuer.text
        try rates.call(token: name, issuer: issuer, at: node.loop.now)
        guard open < GuestServer.openMax else { throw NodeError.busy }
        guard openOf[name, default: 0] < GuestServer.openOfOneMax else {
            throw TokenError.accessCallsOpen(GuestServer.openOfOneMax)
        }
        open += 1
        openOf[name, default: 0] += 1
        defer {
            open -= 1
            let left = (openOf[name] ?? 1) - 1
            openOf[name] = left > 0 ? left : nil
        }
        verified()
        let stream = PacedStream(stream, on: node.loop) { [self] bytes in
            rates.message(bytes: bytes, token: name, issuer: issuer, at: node.loop.now)
        }
        // What was revoked anywhere before this question is known here.
        try await check.refresh()
        let wanted = try await wanted(request, shown)
        let decision = try check.verify(presented, for: wanted)
        guard GuestCall.operation(of: request) != nil else {
            throw TokenError.accessDenied(allowed: decision.grant.acts.description)
        }
        var guest = RequestHandler.Guest(decision: decision, call: call, about: about)
        session.streamMessageBytesMax = SessionConstants.messageBytesMax
        if case .submit(let submit) = request, let root = submit.spec.workingTree {
            // Too long to be shown by a stranger, or to be kept with the job: its hash was proved.
            try await stream.send(APIReply.transfer(.need([root])).encoded())
            guard let bytes = try await heard(stream) else { return stream.cancel() }
            guest.manifest = Bytes(bytes)
        }
        let caller = RequestHandler.Caller(
            user: 65_534, group: 65_534, name: "token:\(decision.grant.shortID)", isAdministrator: false, guest: guest)
        try await carryOut(request, wanted, decision, caller, stream)
    }

    /// Answers, and meanwhile sees to it that the answer ends when the token does.
    private func carryOut(
        _ request: APIRequest, _ wanted: AccessRequest, _ decision: AccessVerifier.Decision,
        _ caller: RequestHandler.Caller, _ stream: any MessageStream
    ) async throws {
        let ending = Ending()
        let watcher = node.loop.spawn("guest watch") { [self] in await watch(wanted, decision, ending) }
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
        watcher.cancel()
        if let refusal = ending.refusal { throw refusal }
        if let failure = ending.failure { throw failure }
    }

    /// Looks again and again whether what was allowed still is; ends the work where it is not.
    private func watch(
        _ wanted: AccessRequest, _ decision: AccessVerifier.Decision, _ ending: Ending
    ) async {
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
                var again = wanted
                // It may have ended meanwhile, or have left the state: then it is as it was.
                again.job = wanted.job.map { job($0.number) ?? $0 }
                try check.verifyAgain(decision.grant, for: again)
            } catch {
                ending.refusal = error
                ending.work?.cancel()
                return
            }
        }
    }

    private final class Ending: @unchecked Sendable {
        var work: Task<Void, Never>?
        var failure: (any Error)?
        var refusal: AccessRefusal?
    }

    /// What a request comes to, as the token has to allow it.
    private func wanted(_ request: APIRequest, _ shown: AccessGrant) async throws -> AccessRequest {
        switch request {
        case .submit(let submit), .plan(let submit): AccessRequest(.run, asks: GuestJob.asks(submit.spec))
        case .follow(let follow): AccessRequest(.logs, job: try await known(follow.job))
        case .followArray(let follow): AccessRequest(.logs, job: try await known(follow.job))
        case .logs(let logs): AccessRequest(.logs, job: try await known(logs.job))
        case .inspectJob(let id), .audit(.proofOfJob(let id)): AccessRequest(nil, job: try await known(id))
        case .cancel(let cancel): AccessRequest(.cancel, job: try await known(cancel.job))
        case .wait(let ids):
            // One at a time: each has to be allowed.
            AccessRequest(nil, job: try await known(ids.count == 1 ? ids[0] : 0))
        case .fetch(let fetch):
            AccessRequest(
                .fetch, job: try await known(fetch.job), path: fetch.path.map { String($0.drop { $0 == "/" }) })
        case .jobs: AccessRequest(nil, listed: check.isOver(shown) ? await ownJobs(of: shown) : nil)
        case .members: AccessRequest(.status)
        // Verified, and then refused.
        default: AccessRequest(nil)
        }
    }

    /// What a token has started and this node still knows of.
    private func ownJobs(of grant: AccessGrant) async -> [AccessRequest.Job] {
        let state = node.state
        return await node.loop.offload { state.jobs.map(GuestServer.job).filter(grant.started) }
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

    static func job(_ record: JobRecord) -> AccessRequest.Job {
        AccessRequest.Job(
            number: "\(record.id)", startedWith: record.spec.guest?.names ?? [],
            ended: record.endedAt.map { $0 / 1_000_000_000 })
    }
}
