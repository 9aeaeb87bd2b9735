import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// Runs this host's attempts: makes their directories, starts their supervisors, and tells the core what they say.
/// Confined to its loop.
///
/// An attempt goes through here as: files and checkpoint fetched, directory made, supervisor asked, running; when it
/// has ended, its results are collected and copied before its end is reported, so that a job that has succeeded has
/// its results recorded.
final class AttemptRunner: @unchecked Sendable {
    let node: MeshNode
    var links: [JobID: SupervisorLink] = [:]
    var attempts: [AttemptKey: Running] = [:]
    /// Ended before this daemon began: their results are collected once the state is known.
    var endedBefore: [AttemptKey: AttemptResult] = [:]
    /// How long the setups took that had ended before this daemon began.
    var setupsBefore: [AttemptKey: UInt64] = [:]
    private var isStopped = false
    private var lease = Instant(nanoseconds: .min)
    /// Jobs whose page stands still, because an attempt of theirs was replaced and is not gone yet.
    private var heldBack: [JobID] = []
    /// What people do beside attempts, by number.
    var hands: [UInt32: Hand] = [:]
    /// Not from 1: a supervisor may still tell of those of the daemon before this one.
    var lastHand = UInt32(truncatingIfNeeded: EventLoops.wallClock.nanoseconds >> 16)
    /// Who waits to be started looks again.
    let mayStart: LoopSignal
    /// How far the commands of attempts have been given what they read, where somebody has asked.
    var inputs: [AttemptKey: InputPlace] = [:]
    let inputMoved: LoopSignal
    let spare: SpareSupervisor
    private let devices: DeviceTenants
    /// Whom the jobs run as that are here, so that an array does not look it up for every task.
    private var accounts: [JobID: AttemptPlan.Account] = [:]

    /// One attempt on its way. Confined to the loop, as its runner.
    final class Running: @unchecked Sendable {
        var stage: Stage
        var stop: AttemptStop?
        var isFrozen = false
        /// Whether its supervisor has said so.
        var hasStarted = false
        /// Its setup command has not ended: nothing can be done beside it yet.
        var isInSetup = false
        /// What its supervisor was told last; nil: nothing, or another daemon told it.
        var isPaused: Bool?
        var preparation: Task<Void, Never>?
        var watcher: Task<Void, Never>?
        /// Its command exited with an error: a next attempt goes on from what it saved last.
        var leavesCheckpoint = false
        /// Notified when it gets room here; nil: it has some.
        var turn: LoopSignal?
        init(_ stage: Stage) { self.stage = stage }
    }

    enum Stage {
        case preparing
        /// A supervisor has it.
        case supervised
        /// Its process is gone; its results may still be on their way.
        case ended
    }

    init(node: MeshNode) {
        self.node = node
        mayStart = LoopSignal(node.loop)
        inputMoved = LoopSignal(node.loop)
        spare = SpareSupervisor(parent: node.directory.supervisors, loop: node.loop, log: node.log)
        devices = DeviceTenants(node.directory.devices, loop: node.loop, log: node.log)
    }

    var loop: any EventLoop { node.loop }

    /// Those that stand still for want of a lease.
    var frozenAttempts: Set<AttemptKey> { Set(attempts.filter { $0.value.isFrozen }.keys) }

    func isFrozen(_ key: AttemptKey) -> Bool { attempts[key]?.isFrozen ?? false }
    /// Whether more output can come.
    func isLive(_ key: AttemptKey) -> Bool { attempts[key].map { $0.stage != .ended } ?? false }

    /// Whether an attempt is still looked after here, or one of a job.
    func holds(_ key: AttemptKey) -> Bool { attempts[key] != nil }
    func holds(_ job: JobID) -> Bool { links[job] != nil || attempts.keys.contains { $0.job == job } }

    // MARK: The end

    /// This daemon looks after nothing any more; supervisors and what they run stay.
    func stop() {
        isStopped = true
        for running in attempts.values {
            running.preparation?.cancel()
            running.watcher?.cancel()
        }
        for link in links.values {
            link.onEvent = nil
            link.close()
        }
        links = [:]
        spare.stop()
        mayStart.notify()
    }

    /// Ends what supervisors of this host still hold, and the supervisors. Waits for them, not for ever.
    func endSupervisors(before deadline: Instant) async throws {
        spare.stop()
        for (key, running) in attempts where running.stage == .supervised {
            running.stop = .superseded
            links[key.job]?.send(.kill(key))
        }
        while !links.isEmpty {
            for key in attempts.keys.sorted() where attempts[key]?.stage == .ended {
                links[key.job]?.send(.acknowledge(key))
            }
            for job in links.keys.sorted() { links[job]?.send(.shutdown) }
            guard try await node.driver.changes.isNotified(before: deadline) else {
                let jobs = links.keys.sorted().map { "\($0)" }.joined(separator: ", ")
                return node.log.warning("supervisors do not end: those of job \(jobs)")
            }
        }
    }

    // MARK: What the core asks

    func extendLease(until deadline: Instant, heldBack: [JobID]) {
        if lease.nanoseconds == .min {
            resumeAdopted()
            keepSpareSoon()
        }
        lease = max(lease, deadline)
        self.heldBack = heldBack
        for (job, link) in links where !heldBack.contains(job) { link.page.extend(to: deadline) }
        mayStart.notify()
    }

    func limitLease(to deadline: Instant) { lease = min(lease, deadline) }

    /// Goes as far as it can go before there is room; `start` lets it go on.
    func prepare(_ key: AttemptKey) { begin(key, turn: LoopSignal(loop)) }

    func start(_ key: AttemptKey) {
        if let running = attempts[key], let turn = exchange(&running.turn, with: nil) { return turn.notify() }
        begin(key, turn: nil)
    }

    private func begin(_ key: AttemptKey, turn: LoopSignal?) {
        guard attempts[key] == nil, !isStopped else { return }
        let running = Running(.preparing)
        running.turn = turn
        attempts[key] = running
        prepare(key, running)
    }

    private func prepare(_ key: AttemptKey, _ running: Running) {
        running.preparation = loop.spawn("prepare \(key.job).\(key.task)") { [self] in
            do {
                try await prepareAndStart(key, running)
            } catch {
                guard running.stage == .preparing else { return }
                ended(key, outcome: outcome(ofFailure: error, running), at: EventLoops.wallClock.nanoseconds)
            }
        }
    }

    func stop(_ key: AttemptKey, _ stop: AttemptStop) {
        guard let running = attempts[key], running.stage != .ended else { return }
        running.stop = stop
        guard running.stage == .supervised, let link = links[key.job] else {
            running.preparation?.cancel()
            return
        }
        switch stop {
        case .superseded, .gangEnded: link.send(.kill(key))
        case .cancelled, .moved, .evicted: link.send(.cancel(key, grace: stop.grace))
        }
    }

    /// The mesh knows the end of the attempt: its supervisor may forget it.
    func settled(_ key: AttemptKey) {
        attempts[key]?.watcher?.cancel()
        if let running = attempts[key], running.turn != nil {
            // It never had its turn.
            running.stage = .ended
            running.preparation?.cancel()
        }
        attempts[key] = nil
        node.doors.close(key)
        node.setups.release(key)
        node.driver.changes.notify()
        guard let link = links[key.job] else {
            return removeDirectory(of: key.job)
        }
        link.send(.acknowledge(key))
        let isLast = node.state.job(key.job)?.isEnded ?? true
        if isLast, !attempts.keys.contains(where: { $0.job == key.job }) { link.send(.shutdown) }
    }

    // MARK: Starting

    private func prepareAndStart(_ key: AttemptKey, _ running: Running) async throws {
        guard var plan = node.plan(for: key) else { throw NodeError.jobNotFound(key.job) }
        // The leader is trusted for the order of things, not for who may do them.
        plan.diskBytes = try await node.guests.verify(plan.job, key.job)
        plan.account = try accounts[key.job] ?? plan.lookedUpAccount()
        accounts[key.job] = plan.account
        plan.image = try await node.images.root(for: plan)
        try await node.files.prepare(plan)
        try Task.checkCancellation()
        if let gang = plan.job.gang { plan.seat = try await node.gangs.meet(key, gang) }
        defer { node.gangs.letGo(key) }
        plan.door = try await node.doors.make(for: plan)
        if plan.hasProxy { plan.meshAddresses = try await meshAddresses() }
        var spec = try plan.spec(
            on: node.host.capabilities, node.host.policy,
            devices: node.host.devices.files(of: plan.visibleGPUs.map(\.index).sorted()))
        while let turn = running.turn { try await turn.wait() }
        try await devices.settle(plan)
        try await node.setups.settle(plan, &spec)
        var link: SupervisorLink
        // A supervisor without attempts may end while one waits.
        repeat {
            while mustWait(plan, key.job) { try await mayStart.wait() }
            link = try await self.link(for: key.job)
        } while mustWait(plan, key.job) || links[key.job] !== link
        try Task.checkCancellation()
        guard !isStopped else { throw NodeError.stopping }
        guard link.version >= spec.leastVersion else {
            throw NodeError.supervisorTooOld(key.job, node: node.views.nodeName(node.id))
        }
        // From here on the attempt may run: only its supervisor knows what becomes of it.
        attempts[key]?.stage = .supervised
        attempts[key]?.isInSetup = !spec.setup.isEmpty
        link.page.extend(to: lease)
        node.gangs.letGo(key)
        spare.expectsStrict = spec.suitsReadySandbox
        link.send(.start(spec))
    }

    /// The ranks of a gang do not wait for each other to end.
    private func mustWait(_ plan: AttemptPlan, _ job: JobID) -> Bool {
        loop.now + NodeConstants.leaseToStart > lease || heldBack.contains(job) || isPaused(job)
            || plan.job.gang == nil && links[job]?.isFull ?? false
    }

    /// Where members of the mesh listen.
    private func meshAddresses() async throws -> [String] {
        var found: [String] = []
        for text in node.state.members.flatMap(\.addresses) {
            do throws(RingError) {
                found.append(try SocketAddress.parse(text, defaultPort: MeshMembership.defaultPort).description)
            } catch {
                let addresses = await loop.offload {
                    Result { () throws(RingError) in
                        try NameResolver.resolve(text, defaultPort: MeshMembership.defaultPort)
                    }
                }
                if case .success(let addresses) = addresses { found += addresses.map(\.description) }
                // Whoever finds it later does not get to its port.
                do throws(RingError) {
                    let port = try SocketAddress.split(text, defaultPort: MeshMembership.defaultPort).port
                    found.append(SocketAddress.ipv4(0, port: port).description)
                } catch {
                    // What is no address is nobody's.
                }
            }
        }
        return found
    }

    private func outcome(ofFailure error: any Error, _ running: Running) -> Outcome {
        if let stop = running.stop { return stop.outcome }
        let failure = APIFailure(error)
        return .hostFailed(code: failure.code, message: failure.message)
    }

    private func link(for job: JobID) async throws -> SupervisorLink {
        if let link = links[job] { return link }
        let directory = SupervisorDirectory(path: "\(node.directory.supervisors)/\(job)")
        try HostFiles.makeDirectories("\(node.directory.logs)/\(job)", mode: 0o700)
        try await clear(directory)
        try await spare.settle()
        // Another task of the job may have been here meanwhile.
        if let link = links[job] { return link }
        let link: SupervisorLink
        if let taken = spare.take(to: directory.path) {
            link = try SupervisorLink(
                job: job, directory: taken.directory, socket: taken.socket, isOwn: true, loop: loop)
        } else {
            try directory.launch(program: Executable.path)
            link = try SupervisorLink(job: job, directory: directory, isOwn: true, loop: loop)
        }
        links[job] = link
        listen(to: link)
        link.start()
        return link
    }

    /// Another supervisor is made ready, not in the way of what is starting just now.
    private func keepSpareSoon() {
        guard spare.isMissing else { return }
        _ = loop.schedule(at: loop.after(AttemptRunner.sparePause)) { [self] in spare.prepare() }
    }

    private static let sparePause = Interval.milliseconds(5)

    /// What a supervisor before left behind goes once the mesh knows the end of all its attempts.
    private func clear(_ directory: SupervisorDirectory) async throws {
        while case .gone(let remains) = try directory.condition(), !remains.isEmpty {
            guard remains.contains(where: { attempts[$0.key] != nil }) else { return try directory.remove() }
            try await node.driver.changes.wait()
        }
    }

    // MARK: What supervisors say

    func listen(to link: SupervisorLink) {
        link.onEvent = { [self] event in
            guard let event else { return supervisorEnded(link) }
            switch event {
            case .welcome, .replayed: break
            case .started(let key, _, let at):
                // Asked for by the daemon before this one: what this one was preparing is running already.
                attempts[key]?.preparation?.cancel()
                attempts[key]?.stage = .supervised
                attempts[key]?.hasStarted = true
                node.driver.changes.notify()
                node.driver.input(.attempt(AttemptReport(attempt: key, kind: .running, at: at)))
                if let setup = node.setups.takeReused(key) { tellSetup(key, setup) }
                node.host.devices.meter.begin(key, on: node.state.attempt(key)?.gpus ?? [])
                watchCheckpoints(of: key)
                tellPause(key, always: false)
                keepSpareSoon()
            case .ended(let key, let result):
                finish(key, result)
                mayStart.notify()
            case .setupEnded(let key, let milliseconds, let isWaiting):
                node.setups.ended(key, milliseconds: milliseconds, waiting: isWaiting ? link : nil)
            case .frozen(let key): setFrozen(key, true)
            case .thawed(let key): setFrozen(key, false)
            case .handEnded(_, let hand, let code): handEnded(hand, .exited(code))
            case .handRefused(let key, let hand, let refusal):
                handEnded(hand, .refused(APIFailure(refusal, of: key)))
            case .declined(let key, let reason): declined(key, reason: reason)
            case .inputTaken(let key, let count, let isOpen):
                inputs[key] = InputPlace(count: count, isOpen: isOpen)
                inputMoved.notify()
            }
        }
    }

    private func setFrozen(_ key: AttemptKey, _ isFrozen: Bool) {
        attempts[key]?.isFrozen = isFrozen
        node.driver.changes.notify()
    }

    /// The supervisor would not start it: without a lease, or room for it, it is asked again, otherwise the host has failed it.
    private func declined(_ key: AttemptKey, reason: String) {
        guard let running = attempts[key], running.stage == .supervised else { return }
        running.stage = .preparing
        // A daemon that was just started may not have heard yet how much it holds.
        let mayWait = reason == SupervisorEvent.tooManyAttempts && node.state.job(key.job)?.spec.gang == nil
        guard reason == SupervisorEvent.leaseExpired || mayWait, running.stop == nil else {
            let message =
                switch reason {
                case SupervisorEvent.diskFull: "the disk is full"
                case SupervisorEvent.tooOld:
                    NodeError.supervisorTooOld(key.job, node: node.views.nodeName(node.id)).message
                default: "its supervisor holds too many attempts"
                }
            return ended(
                key,
                outcome: running.stop?.outcome ?? .hostFailed(code: reason, message: message),
                at: EventLoops.wallClock.nanoseconds)
        }
        prepare(key, running)
    }

    private func lost(_ key: AttemptKey) { ended(key, outcome: .lost, at: EventLoops.wallClock.nanoseconds) }

    private func startAgain(_ key: AttemptKey) {
        guard let running = attempts[key] else { return }
        running.stage = .preparing
        prepare(key, running)
    }

    func finish(_ key: AttemptKey, _ result: AttemptResult) {
        guard let running = attempts[key], running.stage != .ended else { return }
        running.stage = .ended
        var usage = result.usage
        usage.gpu = node.state.level < 4 ? nil : node.host.devices.meter.end(key)
        endHands(of: key)
        node.driver.changes.notify()
        let end = running.stop?.outcome(afterEnd: result.outcome) ?? result.outcome
        let outcome = node.host.devices.cause(of: end, holding: node.state.attempt(key)?.gpus, level: node.state.level)
        // What was killed may have been killed while it saved.
        if case .exited = outcome { running.leavesCheckpoint = !outcome.isSuccess }
        if outcome == .moved { running.leavesCheckpoint = true }
        if !running.leavesCheckpoint { running.watcher?.cancel() }
        let plan = outcome.isSuccess ? node.plan(for: key).flatMap { $0.hasOutputs ? $0 : nil } : nil
        guard plan != nil || running.watcher != nil else {
            return ended(key, outcome: outcome, at: result.endedAt, usage: usage)
        }
        loop.spawn("results of \(key.job).\(key.task)") { [self, usage] in
            if running.leavesCheckpoint { await running.watcher?.value }
            if let plan {
                do {
                    try await node.files.collectResults(plan)
                } catch {
                    // Cut short by the end of this daemon: the next one finds the end of the attempt again.
                    if isStopped { return }
                    let failure = APIFailure(error)
                    return ended(
                        key, outcome: .hostFailed(code: failure.code, message: failure.message), at: result.endedAt,
                        usage: usage)
                }
            }
            ended(key, outcome: outcome, at: result.endedAt, usage: usage)
        }
    }

    private func ended(_ key: AttemptKey, outcome: Outcome, at: Int64, usage: AttemptUsage? = nil) {
        attempts[key]?.stage = .ended
        node.setups.release(key)
        inputs[key] = nil
        inputMoved.notify()
        // A mesh below that level has no words for it.
        let usage = node.state.level < 3 ? nil : usage
        node.driver.input(.attempt(AttemptReport(attempt: key, kind: .ended(outcome), at: at, usage: usage)))
        node.driver.changes.notify()
    }

    /// It ended as asked, or it was killed: then so were its attempts.
    private func supervisorEnded(_ link: SupervisorLink) {
        guard links[link.job] === link else { return }
        links[link.job] = nil
        accounts[link.job] = nil
        mayStart.notify()
        node.driver.changes.notify()
        let left = attempts.keys.sorted().filter { $0.job == link.job && attempts[$0]?.stage == .supervised }
        guard !left.isEmpty else { return removeDirectory(of: link.job) }
        // Its journal says what it has seen the end of; `condition` makes sure that the rest does not run any more.
        do {
            guard case .gone(let remains) = try link.directory.condition() else { return }
            for key in left {
                switch remains.first(where: { $0.key == key }) {
                case let remain?:
                    if let result = remain.result { finish(key, result) } else { lost(key) }
                case nil:
                    // Not in its journal: it ended, idle, before the request reached it, and has run nothing.
                    if attempts[key]?.hasStarted == true { lost(key) } else { startAgain(key) }
                }
            }
        } catch {
            node.log.warning("the supervisor of job \(link.job) is gone: \(error.message)")
        }
    }

    /// Deletes what the supervisor of a job left, if it is gone and nothing of it is needed.
    func removeDirectory(of job: JobID) {
        guard links[job] == nil, !attempts.keys.contains(where: { $0.job == job }) else { return }
        let directory = SupervisorDirectory(path: "\(node.directory.supervisors)/\(job)")
        do {
            guard case .gone(let remains) = try directory.condition(), remains.allSatisfy({ attempts[$0.key] == nil })
            else { return }
            try directory.remove()
        } catch {
            node.log.warning("cannot remove \(directory.path): \(error.message)")
        }
    }

    func watchCheckpoints(of key: AttemptKey) {
        guard let running = attempts[key], running.watcher == nil,
            node.state.job(key.job)?.spec.checkpoint != nil, let plan = node.plan(for: key),
            plan.job.checkpoint != nil, plan.isKept
        else { return }
        running.watcher = loop.spawn("checkpoints of \(key.job).\(key.task)") { [self] in
            await node.files.watchCheckpoints(plan) { running.leavesCheckpoint }
        }
    }
}
