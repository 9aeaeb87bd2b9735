import Codec
import GPUBackend
import Mesh
import Raft
import Ring
import Scheduler
import Tokens

/// This daemon as a member of a mesh: its core and everything that serves it. Confined to its loop.
final class MeshNode: @unchecked Sendable {
    let loop: any EventLoop
    let directory: DataDirectory
    let identity: NodeIdentity
    private(set) var membership: MeshMembership
    let host: HostFacts
    /// Which levels of the protocol this program speaks.
    let levels: ProtocolLevels
    let log: DaemonLog
    let driver: CoreDriver
    let peers: Peers
    let relays: RelayService
    let trees: TreeStore
    let history: History
    /// This node's copy of the log of what happened.
    let audit: AuditLog
    private(set) var runner: AttemptRunner!
    private(set) var files: FileService!
    private(set) var setups: SetupService!
    private(set) var images: ImageService!
    private(set) var gangs: GangService!
    private(set) var doors: GangDoors!
    private(set) var output: OutputService!
    private(set) var shipper: LogShipper!
    private(set) var gossip: GossipKeeper!
    private(set) var guests: GuestCheck!
    private(set) var auditKeeper: AuditKeeper!
    private(set) var certificates: CertificateKeeper!
    private(set) var keys: KeyKeeper!
    /// What this daemon has refused and the mesh does not know yet.
    var refusals = RefusalMeter()
    private var nextDenialNote = Instant.zero
    var tokenNews = TokenNews()
    var alarms = AlarmMeter()
    /// How long a node had been silent when the mesh gave it up.
    private(set) var silenceAtLoss: [NodeID: Interval] = [:]
    /// As gossip sees them; a member that is not in here has not been heard of.
    private(set) var health: [NodeID: MemberState] = [:]
    /// The mesh was recovered on another node: this one's log does not count any more.
    var onLaterEpoch: ((UInt64) -> Void)?
    /// The log could not be written: this node takes no part any more.
    var onLogFailed: (() -> Void)?
    /// This daemon is to go on as the program at that path.
    var onRestart: ((String) -> Void)?
    /// This node has other keys beside its own, or has them no more.
    var onKeysChanged: (() -> Void)?
    private(set) var isRunning = true
    private(set) var failure: String?
    private var announced = false
    private var isAnnouncing = false
    /// Of the mesh when this node last told what it has: a higher one lets it say more.
    private var announcedLevel: UInt64 = 0
    /// The host addresses that members have seen this node at since its daemon started.
    private var seenHosts: [String] = []
    private let startedAt: Instant
    /// Jobs that left the state with entries that were applied before the node began.
    private var archivedBefore: [(jobs: [ArchivedJob], index: UInt64)]
    /// Lines of the log of what happened, from the same entries.
    private var auditedBefore: [AuditLine]

    private static let seenHostsMax = 64
    /// Longer than an election, shorter than a person's patience.
    private static let refreshPatience = Interval.seconds(1)

    init(
        loop: any EventLoop, directory: DataDirectory, identity: NodeIdentity, membership: MeshMembership,
        host: HostFacts, levels: ProtocolLevels = .current, datagramPort: DatagramPort?, log: DaemonLog
    ) async throws {
        self.loop = loop
        self.directory = directory
        self.identity = identity
        var membership = membership
        if membership.discardsLog {
            try directory.setLogAside(beforeEpoch: membership.epoch)
            membership.discardsLog = false
            membership.hasLog = false
            try membership.write(directory)
        }
        self.host = host
        self.levels = levels
        self.log = log
        startedAt = loop.now
        let thread = try DedicatedThread("raft log")
        // Where it is not allowed the daemon has said so.
        try thread.submit { _ = ThreadPriority.raise() }
        let path = directory.path
        let founder = membership.isFounder ? membership.node : nil
        let isExpected = membership.hasLog
        var random = SecureRandom()
        let boot = random.next()
        let node = membership.node
        let seal = SwimSeal(signingKey: identity.signingKey, meshID: membership.meshID)
        let found = try await LogReplay(levels: levels).read(
            path, on: thread, founder: founder, isExpected: isExpected
        ) { restored, state in
            NodeCore(
                id: node, restored: restored, state: state, boot: boot,
                generation: UInt64(EventLoops.wallClock.nanoseconds), seal: seal, now: EventLoops.bootClock,
                levels: levels)
        }
        let raftLog = found.log
        archivedBefore = found.archived
        auditedBefore = found.audited
        if let remark = raftLog.remark { log.warning(remark) }
        if !membership.hasLog {
            membership.hasLog = true
            try membership.write(directory)
        }
        self.membership = membership
        driver = CoreDriver(
            core: found.core, log: raftLog, logDirectory: path, logThread: thread, bootID: boot,
            signingKey: identity.signingKey, meshKeyID: membership.meshKey.id.text, loop: loop)
        trees = try TreeStore(path: directory.blobs)
        history = try History(path: directory.history, loop: loop)
        audit = try AuditLog(path: directory.audit, loop: loop)
        peers = Peers(
            loop: loop, identity: identity, membership: membership,
            remembered: MeshNode.remembered(directory, found.core.state, log), datagramPort: datagramPort, log: log)
        peers.boot = boot
        relays = RelayService(peers)
        runner = AttemptRunner(node: self)
        files = FileService(node: self)
        setups = try SetupService(node: self)
        images = try ImageService(node: self)
        gangs = GangService(node: self)
        doors = GangDoors(node: self)
        output = OutputService(node: self)
        shipper = LogShipper(node: self)
        gossip = GossipKeeper(node: self)
        guests = GuestCheck(node: self)
        auditKeeper = AuditKeeper(node: self)
        certificates = CertificateKeeper(node: self)
        keys = KeyKeeper(node: self)
    }

    /// Where the members were last. A damaged list is not the end: the log knows them, too.
    private static func remembered(_ directory: DataDirectory, _ state: SchedulerState, _ log: DaemonLog)
        -> [PeerRecord]
    {
        guard let bytes = directory.readIfPresent(directory.peers) else { return known(state) }
        do {
            return try [PeerRecord](encoded: bytes)
        } catch {
            log.warning("\(directory.peers) is damaged, the members are those of the log: \(error.message)")
            return known(state)
        }
    }

    private static func known(_ state: SchedulerState) -> [PeerRecord] {
        state.members.map { PeerRecord(id: $0.id, noiseKey: $0.noiseKey, addresses: $0.addresses) }
    }

    var id: NodeID { membership.node }
    var state: SchedulerState { driver.state }
    var views: JobViews { views(of: state) }

    /// What people are shown of a state, which may have jobs in it that have left the one of now.
    func views(of state: SchedulerState) -> JobViews {
        JobViews(state: state, isFrozen: { [self] in runner.isFrozen($0) })
    }

    /// The state with this job in it: the one of now, or with the job as the history has it; nil where neither knows it.
    func state(knowing job: JobID) async -> SchedulerState? {
        if state.contains(job) { return state }
        guard let old = await history.job(job) else { return nil }
        return state.recalling([old])
    }

    /// Takes over what outlived the last daemon, then takes part in the mesh.
    func start() async throws {
        driver.onEffect = { [self] in carryOut($0) }
        driver.onWarning = { [log] in log.warning($0) }
        driver.beforeSnapshot = { [history, audit] index in
            await audit.flush()
            await history.settle(through: index)
        }
        audit.onFailure = { [log] in log.warning("the audit log is kept no more: \($0)") }
        history.onFailure = { [log] in log.warning("finished jobs are kept no more: \($0)") }
        await history.open()
        await history.follow(state, keeping: exchange(&archivedBefore, with: []))
        await audit.open()
        audit.follow(state)
        audit.keep(exchange(&auditedBefore, with: []))
        peers.onMessage = { [self] sender, message in driver.input(.message(from: sender, message)) }
        peers.onGossip = { [self] sender, message in driver.input(.gossip(from: sender, message)) }
        peers.onLaterEpoch = { [self] epoch, member in
            // Who may not vote may not decide which log counts either.
            if isRunning, state.node(member).map({ $0.role == .auto && $0.revocation == nil }) ?? true {
                onLaterEpoch?(epoch)
            }
        }
        peers.onSeen = { [self] text in
            // A socket for both families shows IPv4 addresses like this.
            let host = text.hasPrefix("::ffff:") ? String(text.dropFirst(7)) : text
            guard !seenHosts.contains(host), seenHosts.count < MeshNode.seenHostsMax else { return }
            seenHosts.append(host)
            announced = false
            if driver.core.hasCaughtUp { announce() }
        }
        peers.onFormerMember = { [self] key in
            guard let record = state.nodes.last(where: { $0.noiseKey.array == key }) else { return nil }
            if record.revocation != nil { return MeshNode.revokedReason }
            return record.presence == .left ? MeshNode.removedReason : nil
        }
        peers.onTwins = { [self] in heardTwice($0, at: $1) }
        peers.onTwinSaid = { [self] in saidToBeTwice(by: $0, $1) }
        peers.onLost = { [self] peer in driver.input(.unreachable(peer)) }
        peers.onStream = { [self] kind, stream, sender in serve(kind, stream, from: sender) }
        let adopted = try await runner.adopt()
        for attempt in adopted { shipper.follow(attempt.key) }
        driver.start(adopted: adopted)
        driver.input(.closed(host.owner.wantsHostAlone))
        peers.start()
        keys.check()
        shipper.start()
        gossip.start()
        Housekeeping(node: self).start()
        loop.spawn("history") { [self] in await HistoryExchange(node: self).run() }
        loop.spawn("audit") { [self] in await auditKeeper.run() }
        loop.spawn("certificates") { [self] in await certificates.run() }
        if membership.isFounder, !driver.core.raft.isDamaged { loop.spawn("found") { [self] in await found() } }
        loop.spawn("later leader") { [self] in await LaterLeader(node: self).run() }
        loop.spawn("wall clock") { [self] in
            while isRunning {
                do { try await loop.sleep(for: .seconds(2)) } catch { return }
                driver.input(.wallClock(EventLoops.wallClock.nanoseconds))
            }
        }
    }

    /// The first entry of a mesh, proposed until it is there: a founder may have died before it was.
    private func found() async {
        while isRunning, state.members.isEmpty {
            let key = membership.meshKey
            let own = NodeRecord(
                name: membership.nodeName, identityKey: Bytes(identity.publicKey.bytes),
                noiseKey: Bytes(identity.noiseKey.publicKey), role: .auto, labels: membership.labels,
                addresses: membership.addresses, capacity: host.capacity.plain, version: Version.text, levels: levels)
            do {
                _ = try await driver.propose(
                    .found(meshName: membership.meshName, meshKeyID: key.id.text, meshKey: Bytes(key.bytes), node: own))
            } catch {
                log.warning("the mesh is not founded yet: \(APIFailure(error).message)")
            }
        }
        guard isRunning else { return }
        // A founder that loses its log later is a member like any other: it must not found the mesh once more.
        membership.isFounder = false
        do { try membership.write(directory) } catch {
            log.warning("cannot write \(directory.mesh): \(APIFailure(error).message)")
        }
    }

    /// Ends everything of this node in this process; its jobs go on under their supervisors. Returns when the others
    /// have been told, as far as they listen, and when nothing uses the data directory any more.
    func stop() async {
        guard isRunning else { return }
        isRunning = false
        runner.stop()
        doors.stop()
        driver.goodbye()
        driver.stop()
        await peers.stop()
        await gossip.save()
        await driver.close()
        await history.close()
        await audit.close()
        trees.finish()
    }

    /// What is needed to start or to look after an attempt; nil if the state does not know it.
    func plan(for key: AttemptKey) -> AttemptPlan? {
        guard let job = state.job(key.job), let attempt = state.attempt(key) else { return nil }
        return AttemptPlan(
            key: key, job: job.spec, attempt: attempt, directory: directory, nodeName: views.nodeName(id),
            gpus: views.gpus(attempt))
    }

    /// For how long no leader has been heard, at most since this daemon started; nil if there is one.
    var staleness: Interval? {
        guard driver.core.raft.leader == nil else { return nil }
        return loop.now - (driver.core.leaderHeard ?? startedAt)
    }

    /// Waits until the state here is as new as the mesh is now; not long, because what is known is told without a leader, too.
    func refresh() async throws {
        _ = try await driver.read(patience: MeshNode.refreshPatience)
    }

    // MARK: Effects

    private func carryOut(_ effect: NodeEffect) {
        switch effect {
        case .send(let peer, let message): peers.send(message, to: peer)
        case .sendByDatagram(let peer, let message): peers.sendByDatagram(message, to: peer)
        case .prepare(let key):
            runner.prepare(key)
            shipper.follow(key)
        case .start(let key):
            runner.start(key)
            shipper.follow(key)
        case .stop(let key, let stop): runner.stop(key, stop)
        case .extendLease(let until, let heldBack):
            runner.extendLease(until: until, heldBack: heldBack)
            announce()
            driver.changes.notify()
        case .shortenLease(let until): runner.shortenLease(to: until)
        case .settled(let key): runner.settled(key)
        case .changed(let events): note(events)
        case .archive(let jobs, let index):
            history.follow(state)
            history.keep(jobs, of: index)
        case .audited(let lines):
            audit.follow(state)
            audit.keep(lines)
        case .membersChanged:
            updatePeers()
            keys.check()
            certificates.checkMeshKey()
            relays.isWilling = state.node(id)?.role != .client
        case .gossip(let peer, let message, let path): peers.gossip(message, to: peer, over: path)
        case .membership(let event): note(event)
        case .overtaken: spokenFor()
        case .denied(let sender, let refusal): denied(sender, refusal.code, refusal.message)
        case .leadership(let role, let leader):
            let isOwn = role.rawValue == RaftRole.leader.rawValue
            log.note(isOwn ? "this node leads" : "leader: \(leader.map(views.nodeName) ?? "none")")
        case .failed(let reason):
            failure = reason
            log.warning("this node takes part no longer: \(reason)")
            if driver.logFailure != nil { onLogFailed?() }
        case .persist, .answered, .readable, .takeSnapshot, .replaced, .sendSnapshot, .storeSnapshot: break
        }
    }

    /// What a member said was not done.
    func denied(_ sender: NodeID, _ code: String, _ message: String) {
        auditKeeper.turnedAway(RefusalLog.Refusal(door: "member", code: code, from: views.nodeName(sender)))
        // Once a second at most, so that nobody can fill the log.
        guard loop.now >= nextDenialNote else { return }
        nextDenialNote = loop.after(.seconds(1))
        log.warning("took no word of \(views.nodeName(sender)): \(message)")
    }

    private func note(_ event: MembershipEvent) {
        if event.kind == .removed { health[event.member] = nil }
        if case .facts(let facts) = event.kind { lookForOwnTwin(in: facts, of: event.member) }
        guard let state = event.state else { return }
        health[event.member] = state
        log.note("\(views.nodeName(event.member)) is \(state)")
    }

    private func note(_ events: [StateEvent]) {
        for event in events {
            tokenNews.add(event, in: state)
            switch event {
            case .attemptLost(_, let node): silenceAtLoss[node] = peers.silence(of: node)
            case .pauseChanged(let job): runner.pauseChanged(of: job)
            case .invitationReused(let jti, let key, let name, let from): invitationReused(jti, by: key, name, from)
            default: break
            }
        }
    }

    private func updatePeers() {
        // One that has left is spoken to until it has handed its seat over.
        let raft = driver.core.raft.membership
        let others = state.nodes.filter {
            $0.id != id && $0.revocation == nil && ($0.presence != .left || raft.isMember($0.id))
        }
        guard !state.members.isEmpty else { return }
        peers.update(others)
        let records = others.map { PeerRecord(id: $0.id, noiseKey: $0.noiseKey, addresses: $0.addresses) }
        let file = directory.peers
        do { try HostFiles.replace(file, with: records.encoded()) } catch {
            log.warning("cannot write \(file): \(error.message)")
        }
    }

    /// Before this node leaves: gives its seat among the voters and the leadership to others, and waits until they have
    /// them. Until then they are this node's.
    func handOver() async throws {
        _ = try await driver.carryOut(.standDown(id, true))
        let deadline = loop.after(MeshNode.handOverPatience)
        while driver.core.raft.membership.isVoter(id) || driver.core.raft.leader == id {
            guard try await driver.changes.isNotified(before: deadline) else { throw NodeError.noSuccessor }
        }
    }

    /// A node may have to catch up first.
    private static let handOverPatience = Interval.seconds(15)

    /// Before this daemon stops: somebody else leads, so that nobody has to find out that this one is gone.
    func handOverLeadership() async {
        let membership = driver.core.raft.membership
        guard driver.core.raft.role == .leader, membership.voters.contains(where: { $0 != id }) else { return }
        driver.input(.transfer(to: nil))
        let deadline = loop.after(MeshNode.transferPatience)
        do {
            while driver.core.raft.role == .leader {
                guard try await driver.changes.isNotified(before: deadline) else { return }
            }
        } catch {
            // The others elect one without us.
        }
    }

    private static let transferPatience = Interval.seconds(1)

    /// A device was lost, found, or is used by somebody else; or the owner of the host came or went.
    func hostChanged() {
        announced = false
        gossip.tell()
        driver.input(.closed(host.owner.wantsHostAlone))
        if driver.core.hasCaughtUp { announce() }
    }

    /// Once a start, and whenever it has changed: tells the mesh where this node is now and what it has.
    private func announce() {
        guard !announced || announcedLevel != state.level, !isAnnouncing, let record = state.node(id) else { return }
        announced = true
        announcedLevel = state.level
        if record.standsDown { standUp() }
        if record.levels != levels { announceLevels() }
        let capacity = host.capacity.told(atLevel: state.level)
        let own = membership.addresses
        // What was seen before a restart counts until it is seen anew.
        let isKnown = seenHosts.isEmpty && !record.addresses.isEmpty && record.addresses.allSatisfy(own.contains)
        let addresses = isKnown ? record.addresses : HostAddresses.advertised(own, seen: seenHosts)
        // Until the program has been looked at, it is what it was.
        let version = host.program.digest.map { Version.of($0) } ?? record.version
        guard record.addresses != addresses || record.capacity != capacity || record.version != version else {
            return
        }
        isAnnouncing = true
        loop.spawn("announce") { [self] in
            do {
                _ = try await driver.carryOut(
                    .updateNode(id, addresses: addresses, capacity: capacity, version: version))
            } catch {
                announced = false
            }
            isAnnouncing = false
        }
    }

    /// Another version of the program runs now.
    private func announceLevels() {
        loop.spawn("announce levels") { [self] in
            do { _ = try await driver.carryOut(.levels(id, levels)) } catch { announced = false }
        }
    }

    /// Shows itself by these from here on.
    func take(_ certificates: CertificateChain) throws {
        var renewed = membership
        renewed.root = try renewed.root(of: certificates)
        renewed.certificates = certificates
        try renewed.write(directory)
        membership = renewed
        onKeysChanged?()
    }

    /// The mesh key is another one.
    func follow(_ rotations: [MeshKeyRotation], to current: PublicKey) throws {
        var renewed = membership
        renewed.meshKeyRotations = rotations
        renewed.currentMeshKey = current
        try renewed.write(directory)
        membership = renewed
        onKeysChanged?()
    }

    /// This host has other addresses than before. What was seen of the old ones is void.
    func moved(to addresses: [String]) {
        membership.addresses = addresses
        seenHosts = []
        announced = false
        if driver.core.hasCaughtUp { announce() }
    }

    /// It stood down before its daemon stopped, and did not leave after all.
    func standUp() {
        loop.spawn("stand up") { [self] in
            do { _ = try await driver.carryOut(.standDown(id, false)) } catch {
                log.warning("this node still wants no seat among the voters: \(APIFailure(error).message)")
            }
        }
    }
}
