import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler
import Tokens

/// Answers one caller's request about a mesh that this node is a member of. Confined to its loop.
struct RequestHandler {
    let node: MeshNode
    let caller: Caller
    let stream: any MessageStream

    /// Who asks, by the peer credentials of the local socket.
    struct Caller: Sendable {
        var user: UInt32
        var group: UInt32
        var name: String
        var isAdministrator: Bool
        /// Somebody outside the mesh, with what was verified of his token.
        var guest: Guest?

        /// What it may do here, for people.
        var access: String {
            isAdministrator
                ? "everything (\(name))"
                : "submit jobs, see all jobs and hosts, cancel one's own (\(name), group \(LocalServer.group))"
        }
    }

    /// What somebody outside the mesh has shown.
    struct Guest: Sendable {
        var decision: AccessVerifier.Decision
        var call: GuestCall
        var about: AccessProof.About
        /// Of the working tree whose root stands in a submit.
        var manifest: Bytes?
    }

    var state: SchedulerState { node.state }
    var asker: Asker { node.asker(caller) }

    func answer(_ request: APIRequest) async throws {
        // What was acknowledged anywhere in the mesh before this question is part of its answer.
        if RequestHandler.reads(request) { try await node.refresh() }
        switch request {
        case .version, .status, .up, .join, .leave, .doctor, .doctorPeer, .doctorReport, .transfer, .handInput, .gang,
            .raftHandOver:
            throw NodeError.malformedRequest("this request is the daemon's own")
        case .members: try await reply(.members(MemberViews(node: node).members()))
        case .invite(let request): try await reply(.invitation(try await invite(request)))
        case .approve(let name): try await approve(name)
        case .submit(let request): try await submit(request)
        case .plan(let request): try await reply(.planned(try plan(request)))
        case .follow(let request): try await follow(request)
        case .followArray(let request):
            try await ArrayOutput(node: node, job: request.job).run(from: request.task) { event in
                try await reply(.follow(event))
            }
        case .logs(let request): try await logs(request)
        case .jobs(let request):
            try await reply(.jobs(JobsView(jobs: await jobs(request), staleMilliseconds: staleness)))
        case .inspectJob(let id):
            let state = try await state(knowing: id)
            try await reply(.job(node.views(of: state).detail(try job(id, in: state))))
        case .explain(let id):
            let state = try await state(knowing: id)
            try await reply(.explanation(explain(try job(id, in: state), in: state)))
        case .inspectNode(let name): try await reply(.member(try MemberViews(node: node).member(named: name)))
        case .cancel(let request): try await cancel(request)
        case .pause(let request): try await pause(request)
        case .hand(let request):
            let job = try await ownJob(request.job, to: "work beside")
            guard !job.isEnded else { throw SchedulerError.jobEnded(request.job, job.counts.summary) }
            try await HandService(node: node).carryOut(request, of: job, stream)
        case .put(let request): try await put(request)
        case .wait(let jobs): try await wait(jobs)
        case .fetch(let request): try await fetch(request)
        case .settings:
            let settings = SettingViews(state: state).all()
            try await reply(.settings(SettingsView(settings: settings, staleMilliseconds: staleness)))
        case .setting(let key): try await setting(key)
        case .configure(let request): try await configure(request)
        case .raft: try await reply(.raft(try await RaftService(node: node).view()))
        case .raftTransfer(let name):
            try requireAdministrator()
            try await reply(.member(try await RaftService(node: node).transfer(to: name, by: asker)))
        case .raftSnapshot:
            try requireAdministrator()
            guard try await node.driver.read(patience: RequestHandler.readPatience) else {
                throw node.driver.nobodyLeads(for: RequestHandler.readPatience)
            }
            try await RaftService(node: node).snapshot { try await reply(.bytes(Bytes($0))) }
            try await reply(.done)
        case .drain(let request):
            try requireAdministrator()
            try await DrainService(node: node, asker: asker).carryOut(request) { try await reply(.drain($0)) }
            try await reply(.done)
        case .label(let request):
            try requireAdministrator()
            let views = MemberViews(node: node)
            let member = try views.member(named: request.node)
            _ = try await node.driver.carryOut(
                .label(member.nodeID, set: request.set, removed: request.removed), by: asker)
            try await reply(.member(try views.member(named: request.node)))
        case .upgrade(let request):
            if request.step != .look { try requireAdministrator() }
            let service = UpgradeService(node: node)
            try await reply(.upgrade(try await service.carryOut(request, by: asker, stream)))
            service.begin(request)
        case .ping(let request):
            try await MemberWatch(node: node).ping(request) { try await reply(.pong($0)) }
            try await reply(.done)
        case .events(let request):
            try await MemberWatch(node: node).events(request) { try await reply(.events($0)) }
            try await reply(.done)
        case .token(let request): try await token(request)
        case .audit(let request): try await audit(request)
        case .rotate(let request): try await rotate(request)
        case .revoke(let name):
            try requireAdministrator()
            try await reply(.member(try await RemovalService(node: node, asker: asker).revoke(name)))
        case .remove(let name):
            try requireAdministrator()
            try await reply(.member(try await RemovalService(node: node, asker: asker).remove(name)))
        }
    }

    private func token(_ request: TokenRequest) async throws {
        let service = TokenService(node: node, caller: caller)
        switch request {
        case .issue(let draft, let addresses):
            let token = try await service.issue(draft, addresses: addresses)
            return try await reply(.bytes(Bytes(Array(token.text.utf8))))
        case .list:
            try await node.refresh()
            return try await reply(.tokens(service.list()))
        case .watch(let token):
            return try await TokenWatch(node: node, caller: caller, token: token).run {
                try await reply(.tokenEvents($0))
            }
        case .revoke(let revocation): try await service.revoke(revocation)
        case .addIssuer(let issuer):
            try requireAdministrator()
            try await service.addIssuer(issuer)
        case .revokeAll:
            try requireAdministrator()
            try await service.revokeAll()
        }
        try await reply(.done)
    }

    // MARK: Settings

    /// What was acknowledged before this question is in its answer, or there is none.
    private func setting(_ key: String) async throws {
        // Not of the mesh but of this caller.
        if key == "access" { return try await reply(.setting(SettingView(key: key, value: caller.access))) }
        let patience = RequestHandler.readPatience
        guard try await node.driver.read(patience: patience) else {
            throw node.driver.nobodyLeads(for: patience)
        }
        try await reply(.setting(try SettingViews(state: state).view(key)))
    }

    private static let readPatience = Interval.seconds(10)

    private func configure(_ request: ConfigureRequest) async throws {
        // Asked of the state as well; here, so that a slip costs no entry.
        try SchedulerState.checkSetting(key: request.key)
        if MeshSetting(rawValue: request.key) != nil { try requireAdministrator() }
        // What users keep is in no log of what happened, and may be written a thousand times a second.
        let asker = MeshSetting(rawValue: request.key) == nil ? nil : self.asker
        let command = Command.configure(key: request.key, value: request.value, by: caller.name)
        _ = try await node.driver.carryOut(command, as: request.request, by: asker)
        try await reply(.done)
    }

    private static func reads(_ request: APIRequest) -> Bool {
        switch request {
        case .members, .follow, .followArray, .logs, .jobs, .inspectJob, .inspectNode, .cancel, .wait, .fetch,
            .settings, .pause, .hand, .explain, .plan, .put:
            true
        default: false
        }
    }

    private var staleness: UInt64? { node.staleness.map { UInt64(max(0, $0.milliseconds)) } }

    func reply(_ reply: APIReply) async throws {
        let reply = caller.guest == nil ? reply : GuestVeil.veiled(reply, state)
        try await stream.send(reply.encoded())
    }

    /// The state of now, or with a job in it that has left it.
    private func state(knowing id: JobID) async throws -> SchedulerState {
        guard let state = await node.state(knowing: id) else { throw NodeError.jobNotFound(id) }
        return state
    }

    private func job(_ id: JobID, in state: SchedulerState) throws -> JobRecord {
        guard let job = state.job(id) else { throw NodeError.jobNotFound(id) }
        return job
    }

    /// Those of the state, worked out beside the loop because they can be many, and behind them the newest of the history.
    private func jobs(_ request: JobsRequest) async -> [JobView] {
        let state = self.state
        let frozen = node.runner.frozenAttempts
        let limit = RequestHandler.oldJobsListed
        let guest = caller.guest
        let asked = node.guests.now
        let isOver = guest.map { node.guests.isOver($0.decision.grant) } ?? false
        let old = request.all && guest == nil ? await node.history.newest(limit: limit) : []
        return await node.loop.offload {
            let isFrozen: (AttemptKey) -> Bool = { frozen.contains($0) }
            let views = JobViews(state: state, isFrozen: isFrozen)
            if let grant = guest?.decision.grant {
                // All of them, also those that have ended: there are few. Of a token that is over, those that are kept.
                return state.jobs.reversed().filter { record in
                    let job = GuestServer.job(record)
                    return isOver ? grant.keeps(job, at: asked) : grant.started(job)
                }.map(views.view)
            }
            let known = views.jobs(all: request.all)
            let left = old.filter { !state.contains($0.id) }
            let recalled = JobViews(state: state.recalling(left), isFrozen: isFrozen)
            return known + left.map { recalled.view($0.record) }.sorted { $0.id > $1.id }
        }
    }

    /// Of the jobs that have left the state, so many of the newest are in a table.
    private static let oldJobsListed = 10_000

    // MARK: Members

    private func invite(_ request: InviteRequest) async throws -> InvitationView {
        try requireAdministrator()
        return try await Inviter(node: node).invite(request, by: asker)
    }

    private func approve(_ name: String) async throws {
        try requireAdministrator()
        let answer = try await node.driver.carryOut(.approve(name), by: asker)
        guard case .node(let id, _) = answer, let view = MemberViews(node: node).member(id) else {
            throw NodeError.nodeNotFound(name)
        }
        try await reply(.member(view))
    }

    /// The mesh hears of it, too.
    private func turnedAway(_ error: NodeError) -> NodeError {
        node.auditKeeper.turnedAway(RefusalLog.Refusal(door: "here", code: error.code, from: caller.name))
        return error
    }

    func requireAdministrator() throws {
        guard caller.isAdministrator else {
            throw turnedAway(NodeError.notAdministrator(user: caller.name, node: node.views.nodeName(node.id)))
        }
    }

    // MARK: Jobs

    func nextTransfer() async throws -> TransferMessage {
        guard let bytes = try await stream.receive(),
            case .transfer(let message) = try APIRequest(encoded: bytes, limits: APILimits.message)
        else { throw NodeError.malformedRequest("expected the files of the job") }
        return message
    }

    private func follow(_ request: FollowRequest) async throws {
        let record = try job(request.job, in: try await state(knowing: request.job))
        guard request.task < record.spec.tasks else { throw NodeError.taskNotFound(request.job, request.task) }
        if request.allRanks, let gang = record.spec.gang {
            return try await GangSession(request, gang, node: node).run { event in try await reply(.follow(event)) }
        }
        try await FollowSession(request, node: node).run { event in try await reply(.follow(event)) }
    }

    private func wait(_ jobs: [JobID]) async throws {
        for id in jobs { _ = try await state(knowing: id) }
        for id in jobs {
            while state.job(id).map({ !$0.isEnded }) ?? false {
                guard node.isRunning else { throw NodeError.stopping }
                try await node.driver.changes.wait()
            }
            let state = try await state(knowing: id)
            try await reply(.follow(.ended(node.views(of: state).ended(try job(id, in: state)))))
        }
    }

    private func explain(_ job: JobRecord, in state: SchedulerState) -> ExplainView {
        let views = node.views(of: state)
        let view = views.view(job)
        if job.pausedBy == nil,
            let found = Placement.explain(state, job: job.id, now: EventLoops.wallClock.nanoseconds)
        {
            return ExplainView(job: job.id, found, name: views.nodeName)
        }
        let place = view.nodes.isEmpty || job.isEnded ? "" : " on \(view.nodes.joined(separator: ", "))"
        let why = view.reason.map { ": \($0)" } ?? ""
        return ExplainView(
            job: job.id, state: (view.frozen ? "frozen" : view.state.name) + place + why, name: views.nodeName)
    }

    private func cancel(_ request: CancelRequest) async throws {
        let record = try await ownJob(request.job, to: "cancel")
        // One that has left the state has ended, and nothing is to be asked of the mesh.
        guard state.contains(request.job) else {
            throw SchedulerError.jobEnded(request.job, record.counts.summary)
        }
        _ = try await node.driver.carryOut(.cancel(request.job, by: caller.name), by: asker)
        try await reply(.done)
    }

    private func put(_ request: PutRequest) async throws {
        let job = try await ownJob(request.job, to: "copy into")
        guard !job.isEnded else { throw SchedulerError.jobEnded(request.job, job.counts.summary) }
        guard let manifest = request.manifest else { throw NodeError.malformedRequest("no files to put") }
        let accepted = try await TreeExchange.accept(
            manifest.array, into: node.trees,
            ask: { try await reply(.transfer($0)) }, next: { try await nextTransfer() })
        try await node.put(accepted.manifest.root, request, into: job)
        try await reply(.done)
    }

    /// The job, which has to be the caller's own, or the caller an administrator.
    private func ownJob(_ id: JobID, to verb: String) async throws -> JobRecord {
        let record = try job(id, in: try await state(knowing: id))
        guard caller.isAdministrator || record.spec.user == caller.name else {
            throw turnedAway(NodeError.denied(user: caller.name, what: "\(verb) a job of \(record.spec.user)"))
        }
        return record
    }

    private func pause(_ request: PauseRequest) async throws {
        let verb = request.isPaused ? "pause" : "resume"
        let record = try await ownJob(request.job, to: verb)
        guard !record.isEnded else { throw SchedulerError.jobEnded(request.job, record.counts.summary) }
        if request.isPaused { try await HandService(node: node).requireFreezers(of: record) }
        let person = request.isPaused ? caller.name : nil
        _ = try await node.driver.carryOut(.pause(request.job, by: person), by: asker)
        try await reply(.done)
    }

    private func logs(_ request: LogsRequest) async throws {
        let known = try await state(knowing: request.job)
        let record = try job(request.job, in: known)
        guard request.task < record.spec.tasks, let task = known.task(TaskKey(job: request.job, index: request.task))
        else { throw NodeError.taskNotFound(request.job, request.task) }
        if request.allRanks, let gang = record.spec.gang, gang.ranks > 1 {
            return try await rankLogs(request, gang, record, in: known)
        }
        let wanted = request.attempt ?? request.cursor?.attempt
        let attempt = wanted.map { number in task.attempts.first { $0.number == number } } ?? task.attempts.last
        guard let attempt else {
            // Nothing has run yet, so nothing has been written.
            guard request.follow, !record.isEnded else { return try await reply(.done) }
            return try await followLogs(request, attempt: 1)
        }
        try await read(request, attempt)
        if request.follow, !(state.job(request.job)?.isEnded ?? true) {
            return try await followLogs(request, attempt: attempt.number + 1)
        }
        try await reply(.done)
    }

    /// What all ranks wrote, each piece with its rank.
    private func rankLogs(
        _ request: LogsRequest, _ gang: GangSpec, _ record: JobRecord, in known: SchedulerState
    ) async throws {
        if request.follow, request.attempt == nil, !record.isEnded {
            let session = GangSession(
                FollowRequest(job: request.job), gang, tailLines: request.tailLines, since: request.since, node: node)
            try await session.run { event in
                if case .output(let chunk) = event { try await reply(.log(chunk)) }
            }
            return try await reply(.done)
        }
        var wanted: [OutputRequest] = []
        for rank in 0..<gang.ranks {
            let task = known.task(TaskKey(job: request.job, index: rank))
            let attempt = task?.attempts.last { $0.number == request.attempt ?? $0.number }
            guard let attempt, attempt.startedAt != nil else { continue }
            wanted.append(
                OutputRequest(
                    key: AttemptKey(job: request.job, task: rank, attempt: attempt.number), node: attempt.node,
                    place: nil, follow: request.follow, tailLines: request.tailLines, since: request.since))
        }
        try await GangOutput(wanted, node: node).read { chunk in try await reply(.log(chunk)) }
        try await reply(.done)
    }

    /// The output of later attempts, as they come.
    private func followLogs(_ request: LogsRequest, attempt first: UInt32) async throws {
        let key = TaskKey(job: request.job, index: request.task)
        var number = first
        while node.isRunning {
            let ended = state.job(request.job)?.isEnded ?? true
            if let attempt = state.task(key)?.attempts.first(where: { $0.number == number }), attempt.startedAt != nil {
                var rest = request
                rest.tailLines = nil
                rest.cursor = nil
                try await read(rest, attempt)
                number += 1
            } else if ended {
                return try await reply(.done)
            } else {
                try await node.driver.changes.wait()
            }
        }
        throw NodeError.stopping
    }

    private func read(_ request: LogsRequest, _ attempt: Attempt) async throws {
        let key = AttemptKey(job: request.job, task: request.task, attempt: attempt.number)
        let place = request.cursor?.attempt == attempt.number ? request.cursor?.place : nil
        let wanted = OutputRequest(
            key: key, node: attempt.node, place: place, follow: request.follow, tailLines: request.tailLines,
            since: request.since)
        try await node.output.read(wanted) { chunk in try await reply(.log(chunk)) }
    }

    private func fetch(_ request: FetchRequest) async throws {
        let tree = try await node.fetch(request, in: try await state(knowing: request.job))
        if let guest = caller.guest {
            let bytes = try await node.trees.perform { try $0.manifest(tree).byteCount }
            try node.guests.count(bytes, fetchedWith: guest.decision)
        }
        try await TreeExchange.sendAll(tree, from: node.trees) { try await reply(.transfer($0)) }
    }
}

/// What a message of the API may have.
enum APILimits {
    /// A submit carries the manifest of a working tree.
    static let message = CBORLimits(
        byteCount: TransferConstants.messageBytesMax, depth: 16, valueCount: 1 << 20)
}
