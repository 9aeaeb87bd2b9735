import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// Listens for the processes of ranks that run here: each rank has a socket of its own in its sandbox (`GangDoor`), at which
/// it reaches the other hosts of its gang and nothing else. Confined to its loop.
///
/// Who knocks is known by the socket: no other job sees it, and only the rank's user is heard. Which job, which attempt and
/// which rank it is for is never asked of whoever knocks.
final class GangDoors: @unchecked Sendable {
    private let node: MeshNode
    private var doors: [AttemptKey: Door] = [:]
    private var program: ProgramCopy?

    private final class Door: @unchecked Sendable {
        let key: AttemptKey
        let gang: GangSpec
        let user: UInt32
        let listener: Listener
        var accepting: Task<Void, Never>?
        /// Calls that are being answered.
        var calls = 0
        /// Commands on other hosts whose end nobody has told, and the sessions by which that would come.
        var commands: [UInt64: (peer: NodeID, session: Session)] = [:]
        var commandCount: UInt64 = 0
        /// A daemon of this host has ended while a command was under way.
        var wasCut = false

        init(_ key: AttemptKey, _ gang: GangSpec, user: UInt32, _ listener: Listener) {
            self.key = key
            self.gang = gang
            self.user = user
            self.listener = listener
        }
    }

    /// The swarmlet for ranks on its way to where they find it.
    private final class ProgramCopy: @unchecked Sendable {
        var task: Task<Void, Never>?
        var failure: (any Error)?
    }

    /// Of one rank at once: `mpirun` starts its daemons on 128 hosts at a time.
    private static let callsMax = 256
    /// Who says nothing for so long is sent away.
    private static let requestDeadline = Interval.seconds(10)
    private static let acceptPause = Interval.milliseconds(100)
    private static let anewPause = Interval.seconds(1)

    init(node: MeshNode) { self.node = node }

    /// Listens for a rank that is about to run here; nil where it has no sandbox to find the way in, or is no rank.
    func make(for plan: AttemptPlan) async throws -> GangDoor? {
        guard mayHave(plan) else { return nil }
        try await copyProgram()
        // It may have been given up meanwhile, and then nobody would close it.
        try Task.checkCancellation()
        try open(for: plan)
        return GangDoor(directory: directory(of: plan.key), program: node.directory.programOfRanks)
    }

    /// Once for this daemon, however many ranks wait for it.
    private func copyProgram() async throws {
        let copy = program ?? ProgramCopy()
        program = copy
        let task =
            copy.task
            ?? node.loop.spawn("program of ranks") { [node] in
                let path = node.directory.programOfRanks
                let outcome = await node.loop.offload {
                    Result { try ProgramFile.copy(Executable.reference, to: path) }
                }
                if case .failure(let error) = outcome { copy.failure = error }
            }
        copy.task = task
        await task.value
        guard let failure = copy.failure else { return }
        if program === copy { program = nil }
        throw failure
    }

    private func mayHave(_ plan: AttemptPlan) -> Bool {
        plan.job.gang != nil && plan.job.guest == nil && plan.profile != .none
    }

    /// Listens for a rank that runs here, unless that is being done.
    func open(for plan: AttemptPlan) throws {
        guard mayHave(plan), let gang = plan.job.gang, doors[plan.key] == nil else { return }
        let user = try (plan.account ?? plan.lookedUpAccount()).user
        let opened = Door(
            plan.key, gang, user: user?.user ?? geteuid(), try listen(in: directory(of: plan.key), as: user))
        opened.wasCut = HostFiles.exists(commandsMark(plan.key))
        doors[plan.key] = opened
        opened.accepting = node.loop.spawn("door of \(plan.key.job).\(plan.key.task)") { [self] in
            await accept(opened)
        }
    }

    /// The rank has ended.
    func close(_ key: AttemptKey) {
        guard let door = doors.removeValue(forKey: key) else { return }
        shut(door)
        remove(directory(of: key))
    }

    /// Its processes knock again at the daemon that comes next.
    func stop() {
        for key in doors.keys.sorted() { if let door = doors[key] { shut(door) } }
        doors = [:]
    }

    /// Removes what daemons before this one left of ranks that are gone.
    func sweep(but isKept: (AttemptKey) -> Bool) {
        do {
            let kept = try HostFiles.names(in: node.directory.doors)
            for name in kept.sorted() where !(Self.key(name).map(isKept) ?? false) {
                remove("\(node.directory.doors)/\(name)")
            }
        } catch {
            node.log.warning("what gangs have left cannot be looked for: \(APIFailure(error).message)")
        }
    }

    private func directory(of key: AttemptKey) -> String {
        "\(node.directory.doors)/\(key.job).\(key.task).\(key.attempt)"
    }

    private static func key(_ name: String) -> AttemptKey? {
        let parts = name.split(separator: ".")
        guard parts.count == 3, let job = JobID(parts[0]), let task = UInt32(parts[1]), let attempt = UInt32(parts[2])
        else { return nil }
        return AttemptKey(job: job, task: task, attempt: attempt)
    }

    private func remove(_ path: String) {
        do { try HostFiles.removeTree(path) } catch {
            node.log.warning("cannot remove \(path): \(error.message)")
        }
    }

    private func shut(_ door: Door) {
        door.accepting?.cancel()
        node.loop.close(door.listener.descriptor)
    }

    /// A name in the open directory, because the address of a socket holds 107 bytes and the data directory may be deep.
    private func listen(in place: String, as user: JobUser?) throws -> Listener {
        try HostFiles.makeDirectories(place, mode: 0o711)
        let directory = try HostFiles.open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { Glibc.close(directory) }
        let path = "/proc/self/fd/\(directory)/\(GangDoor.socketName)"
        let listener = try Listener(.unix(path))
        // The socket becomes the rank's user's and nobody else's (0600). The directory stays the daemon's, so that nobody can
        // put something else under its name meanwhile.
        guard fchmod(directory, 0o711) == 0, user.map({ lchown(path, $0.user, $0.group) == 0 }) ?? true else {
            let number = errno
            node.loop.close(listener.descriptor)
            throw HostError.system(operation: "chown", path: place, errorNumber: number)
        }
        return listener
    }

    // MARK: Calls

    private func accept(_ door: Door) async {
        while !Task.isCancelled {
            do {
                let accepted = try await node.loop.accept(door.listener, deadline: nil)
                door.calls += 1
                node.loop.spawn("call of \(door.key.job).\(door.key.task)") { [self] in
                    await serve(SocketMessageStream(node.loop, socket: accepted.socket), door)
                    door.calls -= 1
                }
            } catch .closed {
                return
            } catch .cancelled {
                return
            } catch {
                node.log.warning("the socket of job \(door.key.job): \(error.message)")
                do { try await node.loop.sleep(for: GangDoors.acceptPause) } catch { return }
            }
        }
    }

    private func serve(_ stream: SocketMessageStream, _ door: Door) async {
        do {
            try await answer(stream, door)
        } catch {
            do { try await stream.send(APIReply.failure(APIFailure(error)).encoded()) } catch { return stream.cancel() }
        }
        await stream.finish()
        stream.cancel()
    }

    private func answer(_ stream: SocketMessageStream, _ door: Door) async throws {
        let patience = node.loop.schedule(at: node.loop.after(GangDoors.requestDeadline)) { stream.cancel() }
        let received: [UInt8]?
        do { received = try await stream.receive() } catch {
            node.loop.cancel(patience)
            throw error
        }
        node.loop.cancel(patience)
        guard let received else { return }
        // Not before it was read: the answer would be lost with what nobody has read.
        let user = try stream.peerCredentials().user
        guard user == door.user else {
            throw NodeError.denied(user: Accounts.text(user), what: "speak for a rank of job \(door.key.job)")
        }
        guard door.calls <= GangDoors.callsMax else { throw NodeError.gangBusy(most: GangDoors.callsMax) }
        guard case .gang(let request) = try APIRequest(encoded: received, limits: APILimits.message) else {
            throw NodeError.malformedRequest("a rank can only ask for something in its own gang")
        }
        switch request {
        case .start(let host, let arguments):
            let number = try node.gangs.number(of: host, for: door.key, door.gang)
            guard let first = node.gangs.firstRank(onNode: number, of: door.key, door.gang),
                let peer = node.state.attempt(first)?.node
            else { throw NodeError.gangOver(door.key.job) }
            let command = try await began(on: peer, door)
            if try await HandService(node: node).start(arguments, besides: first, stream) { try ended(command, door) }
        case .hasFailed:
            try await node.loop.answer(stream) { [self] in
                if try await isCutOff(door) { try await beginAnew(door) }
            }
            try await stream.send(APIReply.done.encoded())
        case .waitForFirst:
            try await node.loop.answer(stream) { [self] in try await waitForFirst(door) }
            try await stream.send(APIReply.done.encoded())
        }
    }

    // MARK: Commands that lose their daemons

    /// There while commands are under way: who finds it when it begins was preceded by a daemon that left them alone.
    private func commandsMark(_ key: AttemptKey) -> String { directory(of: key) + "/commands" }

    private func began(on peer: NodeID, _ door: Door) async throws -> UInt64 {
        door.commandCount += 1
        let command = door.commandCount
        guard peer != node.id else { return command }
        // Where there is no session yet this makes one.
        _ = try await node.peers.echo(peer)
        guard let session = node.peers.session(with: peer) else { return command }
        if door.commands.isEmpty { try HostFiles.replace(commandsMark(door.key), with: []) }
        door.commands[command] = (peer, session)
        return command
    }

    private func ended(_ command: UInt64, _ door: Door) throws {
        guard door.commands.removeValue(forKey: command) != nil, door.commands.isEmpty else { return }
        if doors[door.key] === door { try HostFiles.removeTree(commandsMark(door.key)) }
    }

    /// Whether a daemon that held a command of the rank was replaced before the command had ended: the rank's own program
    /// has failed for that then. Its own failure takes its commands along as well, but not the sessions with their hosts.
    private func isCutOff(_ door: Door) async throws -> Bool {
        if door.wasCut { return true }
        for (peer, session) in door.commands.values {
            // A session that is dead and does not know it yet is so after this.
            _ = try await node.peers.echo(peer)
            if node.peers.session(with: peer) !== session { return true }
        }
        return false
    }

    /// Has all ranks begin anew, and waits until this one has ended with the others.
    private func beginAnew(_ door: Door) async throws {
        node.log.note("job \(door.key.job) begins anew: what it ran on other hosts ended with a daemon")
        while node.state.attempt(door.key) != nil {
            do {
                _ = try await node.driver.carryOut(.moveGang(door.key))
                while node.state.attempt(door.key) != nil { try await node.driver.changes.wait() }
            } catch  where !(error is RingError) {
                // There may be no leader just now; who ends this call ends the wait.
                node.log.note("job \(door.key.job) cannot be told to begin anew yet: \(APIFailure(error).message)")
                try await node.loop.sleep(for: GangDoors.anewPause)
            }
        }
        throw NodeError.gangOver(door.key.job)
    }

    private func waitForFirst(_ door: Door) async throws {
        let first = TaskKey(job: door.key.job, index: 0)
        while node.state.attempt(door.key) != nil {
            if node.state.task(first)?.state == .succeeded { return }
            try await node.driver.changes.wait()
        }
        throw NodeError.gangOver(door.key.job)
    }
}
