import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// Jobs of guests, where they are taken and where they run.
extension RequestHandler.Guest {
    /// The job that a guest gets for what he asks, with all that its node needs to come to the same one.
    func spec(_ request: SubmitRequest, user: String, submitNode: NodeID) throws -> JobSpec {
        guard request.manifest == nil,
            manifest.map({ BLAKE3.hash($0.array) }) == request.spec.workingTree
        else { throw NodeError.malformedRequest("the files are not those that were proved") }
        if let manifest {
            var asks = AccessLimits()
            asks[.disk] = Int64(clamping: try Manifest.decode(manifest.array).byteCount)
            var limits = decision.limits
            if let disk = request.spec.diskBytes { limits[.disk] = Int64(clamping: disk) }
            try asks.check(within: limits)
        }
        var spec = try GuestJob.spec(request.spec, limits: decision.limits, user: user, submitNode: submitNode)
        let grant = decision.grant
        spec.guest = GuestPass(
            names: grant.names, counts: GuestJob.counts(decision), issuer: grant.issuer.text,
            madeBy: grant.root.madeBy ?? grant.issuer.short, holder: grant.holderID.text, links: call.links,
            proof: call.proof, channel: Bytes(about.channel), member: about.node.text, request: call.request,
            requestHash: Bytes(about.request),
            keepSeconds: UInt64(clamping: decision.limits[.keep] ?? AccessConstants.keepSeconds))
        return spec
    }
}

extension GuestJob {
    static func counts(_ decision: AccessVerifier.Decision) -> [GuestPass.Count] {
        decision.uses.map {
            GuestPass.Count(
                name: $0.name, uses: UInt64(clamping: $0.uses),
                expires: $0.expires.multipliedReportingOverflow(by: 1_000_000_000).partialValue)
        }
    }
}

extension GuestCheck {
    /// How long a job waits for a view of what is revoked that is new enough.
    private static let viewPatience = Interval.seconds(60)

    /// Verifies the token of a guest's job again, on the node that is to run it, and that the job is what was asked: as of
    /// when it was asked, but by what is revoked now.
    ///
    /// - Returns: what an attempt of it may keep on disk, in bytes; nil for a job of a member that names no limit.
    func verify(_ spec: JobSpec, _ id: JobID) async throws -> UInt64? {
        guard let pass = spec.guest else { return spec.diskBytes }
        guard let submittedAt = node.state.job(id)?.submittedAt, let own = node.state.node(node.id) else {
            throw NodeError.jobNotFound(id)
        }
        let deadline = node.loop.after(GuestCheck.viewPatience)
        while true {
            try await refresh()
            do throws(AccessRefusal) {
                let labels = own.labels.map { "\($0.name)=\($0.value)" }
                let limits = try verify(
                    spec, pass, asked: submittedAt / 1_000_000_000, place: .node(own.name, labels: labels))
                // Not before the mesh has a word for how it ends.
                guard node.state.level >= 6 else { return nil }
                return spec.diskBytes ?? limits[.disk].map { UInt64(clamping: $0) }
            } catch {
                guard error.step == .freshness, node.loop.now < deadline else {
                    throw APIFailure(error.answer)
                }
            }
            try await node.loop.sleep(for: .seconds(1))
        }
    }

    private func verify(
        _ spec: JobSpec, _ pass: GuestPass, asked: Int64, place: AccessRequest.Place
    ) throws(AccessRefusal) -> AccessLimits {
        let submitted: SubmitRequest
        let about: AccessProof.About
        do {
            guard case .submit(let submit) = try APIRequest(encoded: pass.request.array, limits: APILimits.message)
            else { throw TokenError.accessInvalid }
            submitted = submit
            about = AccessProof.About(
                channel: pass.channel.array, operation: "submit", requestBytes: pass.request.array,
                node: try KeyID(text: pass.member))
        } catch {
            throw AccessRefusal(step: .proof, reason: .accessInvalid)
        }
        let presented = AccessVerifier.Presentation(
            links: pass.links, proof: AccessProof(token: pass.proof), about: about)
        let request = AccessRequest(.run, place: place, asks: GuestJob.asks(submitted.spec))
        let decision = try verify(presented, for: request, asked: asked)
        var expected: JobSpec
        do {
            expected = try GuestJob.spec(
                submitted.spec, limits: decision.limits, user: spec.user, submitNode: spec.submitNode)
        } catch {
            throw AccessRefusal(step: .authority, reason: .accessInvalid)
        }
        expected.guest = pass
        // The member that took it, or the leader, has made something else of it.
        guard expected == spec, pass.names == decision.grant.names, pass.counts == GuestJob.counts(decision),
            pass.requestHash.array == about.request, pass.holder == decision.grant.holderID.text,
            pass.issuer == decision.grant.issuer.text
        else { throw AccessRefusal(step: .authority, reason: .accessInvalid) }
        return decision.limits
    }
}
