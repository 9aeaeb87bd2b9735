import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler
import Tokens

/// The daemon of one host: its identity, its sockets, and its membership where it has one. Confined to its loop.
public final class Daemon: @unchecked Sendable {
    let loop: any EventLoop
    let directory: DataDirectory
    private(set) var identity: NodeIdentity
    let host: HostFacts
    let log: DaemonLog
    private let levels: ProtocolLevels
    var node: MeshNode?
    private var admission: AdmissionServer?
    private var listener: SessionListener?
    var responder: MeshResponder?
    /// Why nobody on this network finds the mesh by asking; nil where they do.
    var discoveryFailure: String?
    /// On the port of the listener; nil where that was not free for UDP.
    private(set) var datagramPort: DatagramPort?
    private var local: LocalServer?
    private(set) var settings: DaemonSettings
    /// Where others reach this daemon.
    var addresses: [String] = []
    var signals: Int32 = -1
    var isChangingMesh = false
    /// Between two lives of its node, while that starts anew with an empty log.
    private(set) var isStartingAnew = false
    /// When the log failed last, and how long the next try to come back waits.
    var lastLogFailure: Instant?
    var logPause = Interval.seconds(1)
    private let startedAt: Instant
    /// What this process goes on as when everything has ended.
    var nextProgram: String?

    /// Runs a daemon on this thread until SIGTERM or SIGINT. Throws what keeps it from starting.
    public static func run(_ options: DaemonOptions) throws {
        // Whatever this process writes is its own; what jobs may reach is opened to them by name.
        umask(0o077)
        try Sodium.start()
        try options.directory.prepare()
        try options.directory.take()
        // Before any thread is: one that begins earlier does not block them, and dies of them with the whole process.
        let signals = try takeSignals()
        let loop = try EventLoops.make(preferring: options.eventLoop)
        let daemon = try Daemon(options, loop: loop)
        daemon.signals = signals
        let outcome = Outcome()
        loop.spawn("daemon") {
            if !ThreadPriority.raise() {
                daemon.log.note("other work of this host may delay this daemon: it is not root")
            }
            do {
                try await daemon.start()
                try await daemon.waitForEnd()
            } catch {
                outcome.failure = error
            }
            await daemon.stop()
            loop.stop()
        }
        loop.run()
        if let program = daemon.nextProgram { throw daemon.goOn(as: program) }
        if let failure = outcome.failure { throw failure }
    }

    /// What the first task of the loop leaves for `run`, which reads it after the loop has ended.
    private final class Outcome: @unchecked Sendable {
        var failure: (any Error)?
    }

    private init(_ options: DaemonOptions, loop: any EventLoop) throws {
        self.loop = loop
        directory = options.directory
        log = DaemonLog(path: directory.daemonLog)
        levels = options.levels
        identity = try NodeIdentity(options.directory, options.lock)
        settings = try DaemonSettings.read(options.directory, options: options)
        host = try HostFacts(settings, supervisors: options.directory.supervisors, loop: loop)
        startedAt = loop.now
    }

    private static func takeSignals() throws -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
        guard descriptor >= 0 else { throw HostError.system(operation: "signalfd", path: "", errorNumber: errno) }
        return descriptor
    }

    private func start() async throws {
        host.devices.onChange = { [self] in node?.hostChanged() }
        host.devices.start(log)
        host.owner.onChange = { [self] in node?.hostChanged() }
        host.owner.start(log)
        host.program.onFound = { [self] in
            node?.hostChanged()
            sayProgram()
        }
        host.program.start(log)
        try await listen()
        if var membership = try MeshMembership.read(directory) {
            try membership.check(identity, directory)
            if try membership.takeMeshKey(identity, directory) { log.note("this node has the key of its mesh now") }
            membership.addresses = addresses
            try await enter(membership)
        }
        let server = LocalServer(loop: loop, log: log) { [self] request, caller, stream in
            try await answer(request, caller, stream)
        }
        try server.start(path: directory.socket)
        local = server
        log.note("swarmlet \(Version.text) is ready on \(addresses.joined(separator: ", ")), \(loop.backend.rawValue)")
    }

    private func stop() async {
        local?.stop()
        host.devices.stop()
        host.owner.stop()
        await node?.handOverLeadership()
        listener?.close()
        responder?.close()
        await node?.stop()
        datagramPort?.close()
        unlink(directory.socket)
        unlink(directory.processFile)
    }

    // MARK: Addresses

    /// How long the port of a daemon that was killed here may stay taken: the kernel lets go of its ring last.
    private static let portPatience = Interval.seconds(2)

    private func listen() async throws {
        var address = try HostAddresses.resolve(
            settings.listen ?? HostAddresses.everywhere, defaultPort: settings.port ?? MeshMembership.defaultPort)
        if let port = settings.port, settings.listen?.hasSuffix(":\(address.port)") != true {
            address = address.with(port: port)
        }
        let deadline = loop.after(Daemon.portPatience)
        while listener == nil {
            do {
                listener = try SessionListener(loop, address, sessionConfiguration) { [self] session in
                    guard let node else { return session.close("this node is in no mesh") }
                    node.peers.accept(session)
                }
            } catch MeshError.system(.addressInUse) where loop.now < deadline {
                try await loop.sleep(for: .milliseconds(20))
            } catch {
                throw NodeError.listenFailed(address: address.description, reason: error.message)
            }
        }
        guard let listener else { return }
        await openDatagramPort(at: listener.address, before: deadline)
        listener.onRefused = { [self] peer, error in log.note("refused \(peer): \(error.message)") }
        settings.port = listener.address.port
        addresses = try HostAddresses.reachable(listener.address)
        answerAboutMesh()
        watchAddresses(of: listener)
        try HostFiles.replace(directory.settings, with: settings.encoded())
    }

    /// Gossip goes over the sessions where the port cannot be had; `swarmlet doctor` says so.
    private func openDatagramPort(at address: SocketAddress, before deadline: Instant) async {
        while datagramPort == nil {
            do {
                datagramPort = try DatagramPort(loop, address)
            } catch {
                guard loop.now < deadline, case .system(.addressInUse) = error else {
                    return log.warning("no datagrams on \(address): \(error.message)")
                }
                do { try await loop.sleep(for: .milliseconds(20)) } catch { return }
            }
        }
    }

    private var sessionConfiguration: SessionConfiguration {
        guard let node else {
            return SessionConfiguration(staticKey: identity.noiseKey, meshID: nil, payload: []) { _ in
                .reject("this node is in no mesh")
            }
        }
        let peers = node.peers
        var credentials = node.membership.credentials(identity, node.state.shownMeshKeyRotations)
        credentials.boot = peers.boot
        var configuration = SessionConfiguration(
            staticKey: identity.noiseKey, meshID: node.membership.meshID, payload: credentials.encoded(),
            validate: { claim in peers.judge(claim) })
        configuration.otherKey = peers.otherKey
        return configuration
    }

    // MARK: Entering and leaving a mesh

    func enter(_ membership: MeshMembership) async throws {
        let node = try await MeshNode(
            loop: loop, directory: directory, identity: identity, membership: membership, host: host, levels: levels,
            datagramPort: datagramPort, log: log)
        if try node.keys.takeBeforeStart() {
            // It died before it did. Nothing has begun but the log.
            log.note("this node has other keys in the mesh: goes on with them")
            nextProgram = Executable.path
            throw NodeError.stopping
        }
        let admission = AdmissionServer(node: node)
        node.peers.onStranger = { session in admission.accept(session) }
        node.peers.onRelayed = { [self] socket, address in
            if let listener { listener.take(socket, from: address) } else { loop.close(socket) }
        }
        node.onLogFailed = { [self, unowned node] in logFailed(node) }
        node.onRestart = { [self] in restart(into: $0) }
        node.onKeysChanged = { [self, unowned node] in
            if self.node === node { listener?.configuration = sessionConfiguration }
        }
        node.onLaterEpoch = { [self] epoch in startAnew(inEpoch: epoch) }
        self.node = node
        self.admission = admission
        listener?.configuration = sessionConfiguration
        try await node.start()
    }

    /// The mesh was recovered on another node while this one was away: its log is put aside, and it learns from there.
    private func startAnew(inEpoch epoch: UInt64) {
        guard !isChangingMesh, let old = node else { return }
        isChangingMesh = true
        isStartingAnew = true
        loop.spawn("start anew") { [self] in
            defer {
                isChangingMesh = false
                isStartingAnew = false
            }
            var membership = old.membership
            log.warning(
                "mesh \(membership.meshName) was recovered on another node: what this one has beyond that does not count; "
                    + "its log goes to \(directory.path)/raft-before-epoch-\(epoch)")
            node = nil
            admission = nil
            await old.stop()
            membership.epoch = epoch
            membership.isFounder = false
            membership.discardsLog = true
            do {
                try membership.write(directory)
                try await enter(membership)
            } catch {
                // The next start does it again.
                log.warning("this node does not start anew: \(APIFailure(error).message)")
            }
        }
    }

    /// What this node says about itself when it founds or joins a mesh.
    private func record(name: String?, role: NodeRole, labels: [Label]) -> NodeRecord {
        NodeRecord(
            name: name ?? host.name, identityKey: Bytes(identity.publicKey.bytes),
            noiseKey: Bytes(identity.noiseKey.publicKey), role: role, labels: labels, addresses: addresses,
            capacity: host.capacity.plain, version: Version.text, levels: levels)
    }

    /// Founds a mesh; nothing happens where this node is in one already.
    func found(_ request: UpRequest) async throws -> Bool {
        while isStartingAnew { try await loop.sleep(for: .milliseconds(10)) }
        guard node == nil else { return false }
        try beginChange()
        defer { isChangingMesh = false }
        let own = record(name: request.nodeName, role: .auto, labels: request.labels)
        let meshKey = SigningKey.generate()
        if !HostFiles.exists(directory.meshKey) {
            try SigningKeyFile.save(meshKey, to: directory.meshKey, identity.lock)
        }
        let key = try SigningKeyFile.load(directory.meshKey, identity.lock)
        var membership = MeshMembership(
            meshName: request.meshName ?? own.name, meshKey: key.publicKey, node: NodeID(1), nodeName: own.name,
            certificates: try .founding(identity.publicKey, name: own.name, meshKey: key, now: Certifier.now),
            isFounder: true,
            labels: own.labels)
        try membership.write(directory)
        membership.addresses = addresses
        try await enter(membership)
        try await waitUntilMember()
        return true
    }

    /// Joins a mesh; `confirm` and `waiting` are for a join without an invitation.
    func join(
        _ request: JoinRequest, confirm: (JoinProgress) async throws -> Void
    ) async throws -> UInt64? {
        let invitation = try request.invitation.map { text throws(TokenError) in try Invitation(text: text) }
        if let node {
            if let invitation, invitation.meshKey == node.membership.meshKey { return nil }
            let state = node.state
            throw NodeError.alreadyInMesh(
                name: node.membership.meshName, nodes: state.members.count,
                jobs: state.unfinishedJobCount, invitation: invitation?.meshName)
        }
        try beginChange()
        defer { isChangingMesh = false }
        let started = loop.now
        let joiner = Joiner(
            loop: loop, identity: identity,
            record: record(
                name: request.nodeName, role: request.role, labels: request.labels))
        var membership: MeshMembership
        let known: [PeerRecord]
        if let invitation {
            (membership, known) = try await joiner.join(invitation)
        } else if let peer = request.peer {
            let identity = identity
            let name = joiner.record.name
            (membership, known) = try await joiner.knock(at: peer) { credentials in
                try await confirm(
                    JoinProgress(
                        meshFingerprint: MeshFingerprint(meshKey: credentials.root).text,
                        nodeFingerprint: identity.publicKey.id.short, nodeName: name))
            }
        } else {
            throw NodeError.malformedRequest("neither an invitation nor a peer")
        }
        try HostFiles.replace(directory.peers, with: known.encoded())
        try membership.write(directory)
        membership.addresses = addresses
        try await enter(membership)
        try await waitUntilMember()
        return UInt64((loop.now - started).milliseconds)
    }

    /// Returns when this node has caught up with the mesh and may run attempts.
    private func waitUntilMember() async throws {
        guard let node else { throw NodeError.stopping }
        let deadline = loop.after(.seconds(30))
        while node.state.node(node.id) == nil || !node.driver.core.hasCaughtUp {
            guard try await node.driver.changes.isNotified(before: deadline) else {
                throw NodeError.noLeader(seconds: 30)
            }
        }
    }

    private func beginChange() throws {
        guard !isChangingMesh else { throw NodeError.busy }
        isChangingMesh = true
    }

    /// Leaves the mesh: gives back what runs here, is removed from the membership, deletes what belonged to the mesh.
    func leave(_ request: LeaveRequest) async throws {
        guard let node else { throw NodeError.notInMesh }
        if let failure = node.reasonOfFailure, !request.forget { throw failure }
        try beginChange()
        defer { isChangingMesh = false }
        if node.state.members.contains(where: { $0.id != node.id }) {
            do {
                try await depart(node)
            } catch NodeError.noLeader where request.forget {
                // Nobody is left to take its leave of: the mesh, should it come back, finds it lost.
                log.warning("the mesh has no leader and was not told that this node leaves")
            } catch NodeError.stopping where request.forget && node.reasonOfFailure != nil {
                log.warning("this node takes no part in its mesh, which was not told that it leaves")
            } catch NodeError.noSuccessor where request.forget {
                log.warning("no other node took the seat of this one among the voters")
            } catch NodeError.jobsDoNotEnd where request.forget {
                log.warning("jobs of this host did not end by themselves")
            }
        } else if !request.forget {
            throw NodeError.lastNode(mesh: node.membership.meshName)
        }
        try await node.runner.endSupervisors(before: loop.after(Daemon.supervisorPatience))
        self.node = nil
        admission = nil
        await node.stop()
        try directory.forgetMesh(keys: request.forget)
        // Who deletes its keys is somebody else from here on, not only from its next start.
        if request.forget { identity = try NodeIdentity(directory, identity.lock) }
        listener?.configuration = sessionConfiguration
        log.note("left mesh \(node.membership.meshName)")
    }

    /// Takes this node out of the membership. Where that fails, it is the member it was.
    private func depart(_ node: MeshNode) async throws {
        // One that was removed by somebody else, or by a try whose answer got lost, is out already.
        guard node.state.node(node.id).map({ $0.presence != .left }) ?? !node.driver.core.hasCaughtUp else { return }
        node.driver.input(.leave)
        do {
            let deadline = loop.after(Daemon.stopPatience)
            while !node.driver.core.isIdle {
                guard try await node.driver.changes.isNotified(before: deadline) else {
                    throw NodeError.jobsDoNotEnd
                }
            }
            // Its seat and the leadership first: a mesh of two would be left with a voter that is gone.
            try await node.handOver()
            _ = try await node.driver.carryOut(.removeNode(node.id))
        } catch {
            node.driver.input(.stay)
            node.standUp()
            throw error
        }
    }

    /// Attempts are killed, not asked.
    private static let stopPatience = Interval.seconds(30)
    private static let supervisorPatience = Interval.seconds(5)
}
