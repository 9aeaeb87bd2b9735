import Codec
import Mesh
import Ring
import Scheduler

/// Jobs that are asked for.
extension RequestHandler {
    func submit(_ request: SubmitRequest) async throws {
        var spec = try spec(of: request)
        let manifest = caller.guest.map(\.manifest) ?? request.manifest
        // What was asked before, or is refused anyway, needs no files.
        if let pass = spec.guest, let job = try state.started(with: pass) {
            return try await reply(.submitted(SubmittedView(job: job, left: left(of: pass))))
        }
        if let pass = spec.guest { try state.checkQuota(of: pass) }
        try check(&spec)
        var sent = 0
        var copies: [NodeID] = []
        if let manifest {
            // Whoever names content must have it: what others have here is nothing to be asked for by its hash.
            let accepted = try await TreeExchange.accept(
                manifest.array, into: node.trees, asksForAll: caller.guest != nil,
                ask: { try await reply(.transfer($0)) }, next: { try await nextTransfer() })
            sent = accepted.received
            let root = accepted.manifest.root
            spec.workingTree = root
            // What is acknowledged must survive this host: its files too.
            if !accepted.manifest.entries.isEmpty { copies = await node.files.copy(root, to: 1) }
        } else {
            spec.workingTree = nil
        }
        try await waitForLevel(of: spec)
        guard case .job(let id) = try await node.driver.carryOut(.submit(spec), as: request.request) else {
            throw NodeError.malformedRequest("the mesh gave a submit another answer than a job")
        }
        if let root = spec.workingTree {
            for holder in copies { _ = try await node.driver.propose(.treeHeld(tree: root, by: holder)) }
        }
        try await reply(
            .submitted(
                SubmittedView(job: id, sentParts: UInt32(clamping: sent), left: spec.guest.flatMap(left))))
    }

    /// How many jobs more a token starts; nil where it has no number of uses.
    private func left(of pass: GuestPass) -> UInt64? {
        pass.counts.map { count in
            let started = UInt64(state.token(count.name)?.starts.count ?? 0)
            return count.uses - min(count.uses, started)
        }.min()
    }

    /// A mesh that was founded a moment ago is at its first level yet. One that stays there refuses the job by itself.
    private func waitForLevel(of spec: JobSpec) async throws {
        let deadline = node.loop.after(.seconds(2))
        while node.state.level < Command.submit(spec).level ?? 0 {
            guard try await node.driver.changes.isNotified(before: deadline) else { return }
        }
    }

    /// The job as whoever asks for it may have it.
    private func spec(of request: SubmitRequest) throws -> JobSpec {
        if let guest = caller.guest { return try guest.spec(request, user: caller.name, submitNode: node.id) }
        var spec = request.spec
        // Who submits is what the socket says, not what the request says.
        spec.user = caller.name
        spec.uid = caller.user
        spec.gid = caller.group
        spec.submitNode = node.id
        // A token is shown at another door, where it is verified.
        spec.guest = nil
        return spec
    }

    /// Refuses what nobody may ask for, or not this one.
    private func check(_ spec: inout JobSpec) throws {
        try SandboxCheck.check(&spec)
        if spec.runAs == "root", caller.user != 0 { throw NodeError.rootNotAsked }
        if let user = spec.runAs, caller.user != 0, user != caller.name {
            throw NodeError.denied(user: caller.name, what: "run jobs as \(user)")
        }
        if let checkpoint = spec.checkpoint { _ = try JobDirectory.names(in: checkpoint.directory) }
    }

    /// What it would come to: nothing is started, and what is asked of files is not looked at.
    func plan(_ request: SubmitRequest) throws -> PlanView {
        var spec = try spec(of: request)
        try check(&spec)
        spec.workingTree = nil
        let now = EventLoops.wallClock.nanoseconds
        let trial = Trial(spec, as: request.request, in: state, now: now)
        if let failure = APIFailure(refusal: trial.answer) { throw failure }
        guard case .job(let id) = trial.answer else {
            throw NodeError.malformedRequest("the mesh gave a submit another answer than a job")
        }
        let waiting = Int(spec.tasks) - trial.placements.count
        let found = waiting > 0 ? Placement.explain(trial.state, job: id, now: now) : nil
        let left = spec.guest.flatMap(left)
        spec.guest = nil
        spec.submitNode = NodeID(0)
        return PlanView(
            spec: spec,
            places: trial.placements.prefix(RequestHandler.placesShown).map { placement in
                let gpus = state.node(placement.node)?.capacity.gpus.filter { placement.gpus.contains($0.index) } ?? []
                return PlanView.Place(node: node.views.nodeName(placement.node), gpus: gpus.map(GPUText.one))
            },
            waiting: UInt32(clamping: waiting),
            reason: waiting > 0 ? Placement.reason(trial.state, job: id) : nil, startsWhen: found?.startsWhen,
            left: left)
    }

    private static let placesShown = 64
}
