import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// Gives this host, or another one of the mesh, another swarmlet. Confined to its loop.
///
/// Nothing changes before the new program has tested itself on its host. Then the old one is kept in the data directory, a
/// watch is set that takes everything back where the new daemon does not come, the file is replaced, and this process
/// goes on as the new program, so that a service manager sees none of it.
struct UpgradeService {
    let node: MeshNode

    /// For another host to answer; the longest of the other steps is a self test.
    private static let patience = (look: Interval.seconds(5), other: Interval.seconds(90))
    /// For which the mesh waits for a host beyond the start of a daemon: the watch and the old program take that long.
    private static let absenceBeyondStart = Interval.seconds(35)
    /// How long a mesh that cannot decide just now is asked to wait.
    private static let absencePatience = Interval.seconds(5)
    /// So that the answer is on its way first.
    private static let pause = Interval.milliseconds(50)

    private var program: OwnProgram { node.host.program }
    private var name: String { node.views.nodeName(node.id) }
    private var staged: String { "\(program.path).new-\(node.identity.publicKey.id.short)" }

    /// For a caller of this host; `begin` is to follow once the answer has been sent.
    func carryOut(_ request: UpgradeRequest, _ stream: any MessageStream) async throws -> UpgradeView {
        if let manifest = request.manifest {
            _ = try await TreeExchange.accept(
                manifest.array, into: node.trees,
                ask: { try await stream.send(APIReply.transfer($0).encoded()) },
                next: {
                    guard let bytes = try await stream.receive(),
                        case .transfer(let message) = try APIRequest(encoded: bytes, limits: APILimits.message)
                    else { throw NodeError.malformedRequest("expected the new program") }
                    return message
                })
        }
        guard let name = request.node else { return try await carryOut(request, from: node.id) }
        let member = try MemberViews(node: node).member(named: name)
        guard member.nodeID != node.id else { return try await carryOut(request, from: node.id) }
        return try await ask(member.nodeID, request)
    }

    /// Serves another member.
    func serve(_ stream: any MessageStream, from member: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        guard case .upgrade(var request) = try APIRequest(encoded: bytes) else {
            throw NodeError.malformedRequest("expected a step of an upgrade")
        }
        request.node = nil
        try await stream.send(APIReply.upgrade(try await carryOut(request, from: member)).encoded())
        await stream.finish()
        begin(request)
    }

    /// Goes on as the new program, if that is what was asked of this host.
    func begin(_ request: UpgradeRequest) {
        let isHere = request.node.map { node.state.node(named: $0)?.id == node.id } ?? true
        guard isHere, request.step == .change, program.digest != request.program else { return }
        node.loop.spawn("go on as another program") { [node = node, path = program.path] in
            do { try await node.loop.sleep(for: UpgradeService.pause) } catch { return }
            await UpgradeService.sayAbsence(node)
            node.onRestart?(path)
        }
    }

    /// Asks the mesh to wait for this host longer than a lease, so that its jobs run on however long the start takes, or that
    /// of the old program after it. Where it does not, they freeze until the new daemon is there.
    static func sayAbsence(_ node: MeshNode) async {
        guard node.state.level >= 5 else {
            return node.log.note(
                "the mesh is at level \(node.state.level) of its protocol and waits for this host no longer than a lease"
            )
        }
        let length = node.directory.startPatience + UpgradeService.absenceBeyondStart
        var random = SystemRandomNumberGenerator()
        let absence = Absence(id: random.next(), nanoseconds: length.nanoseconds)
        do {
            let answer = try await node.driver.propose(
                .absent(node.id, absence), patience: UpgradeService.absencePatience)
            if let failure = APIFailure(refusal: answer) { throw failure }
        } catch {
            node.log.note("the mesh does not wait for this host: \(APIFailure(error).message)")
        }
    }

    private func ask(_ peer: NodeID, _ request: UpgradeRequest) async throws -> UpgradeView {
        let stream = try await node.peers.openStream(.upgrade, to: peer)
        let patience = request.step == .look ? UpgradeService.patience.look : UpgradeService.patience.other
        let timer = node.loop.schedule(at: node.loop.after(patience)) { stream.cancel() }
        defer {
            node.loop.cancel(timer)
            stream.cancel()
        }
        var passed = request
        passed.manifest = nil
        try await stream.send(APIRequest.upgrade(passed).encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        switch try APIReply(encoded: bytes) {
        case .upgrade(let view): return view
        case .failure(let failure): throw failure
        default: throw NodeError.malformedRequest("another answer than to an upgrade")
        }
    }

    // MARK: Here

    private func carryOut(_ request: UpgradeRequest, from holder: NodeID) async throws -> UpgradeView {
        if request.step != .look, program.digest != request.program {
            switch request.step {
            case .look: break
            case .prepare: try await prepare(request, from: holder)
            case .change: try await change(to: request.program)
            }
        }
        return view()
    }

    private func view() -> UpgradeView {
        let held = node.state.attempts(on: node.id)
        let missing = held.filter { key in
            node.state.attempt(key)?.startedAt != nil && !node.runner.holds(key)
        }
        var failure: String?
        if HostFiles.exists(node.directory.upgradeFailure) {
            do throws(HostError) { failure = try HostFiles.readText(node.directory.upgradeFailure) } catch {
                failure = error.message
            }
        }
        return UpgradeView(
            node: name, version: program.digest.map { Version.of($0) } ?? Version.text, program: program.digest,
            isCurrent: node.driver.core.hasCaughtUp && node.driver.core.raft.leader != nil,
            attempts: UInt32(clamping: held.count), missing: UInt32(clamping: missing.count), takenBack: failure,
            patienceMilliseconds: UInt64(max(0, node.directory.startPatience.milliseconds)),
            daemonLog: node.directory.daemonLog)
    }

    private func prepare(_ request: UpgradeRequest, from holder: NodeID) async throws {
        let path = program.path
        var place = staged
        if try await digest(of: path) == request.program {
            // A package, or another daemon of this host, has put it there.
            place = path
        } else if try await digest(of: staged) != request.program {
            guard let tree = request.tree else { throw NodeError.malformedRequest("no program to bring") }
            try await node.files.bring(tree, what: "the new swarmlet") { [holder] }
            try await stage(tree, as: request.program)
        }
        let (levels, reason) = await node.loop.offload { [place] in ProgramFile.levels(of: place) }
        do {
            guard let levels else { throw NodeError.programUnfit(node: name, reason: reason) }
            guard levels.contains(node.state.level) else {
                throw NodeError.programLevels(node: name, program: levels, mesh: node.state.level)
            }
        } catch {
            unlink(staged)
            throw error
        }
    }

    private func digest(of path: String) async throws -> Digest? {
        guard HostFiles.exists(path) else { return nil }
        return try await node.loop.offload {
            Result { () throws(HostError) in try ProgramFile.digest(path) }
        }.get()
    }

    private func stage(_ tree: Digest, as program: Digest) async throws {
        let place = staged
        let name = name
        try await node.trees.perform { store in
            let entries = try store.manifest(tree).entries
            guard entries.count == 1, case .file(let file) = entries[0].content else {
                throw NodeError.programUnfit(node: name, reason: "it is no file")
            }
            do {
                try ProgramFile.write(to: place) { put in
                    for chunk in file.chunks {
                        try put(try store.read(chunk, byteCountMax: TransferConstants.chunkBytes)[...])
                    }
                }
            } catch let error as HostError {
                throw NodeError.programInTheWay(node: name, path: place, reason: error.message)
            }
        }
        guard try await digest(of: place) == program else {
            unlink(place)
            throw NodeError.programUnfit(node: name, reason: "what came is another program")
        }
    }

    private func change(to new: Digest) async throws {
        let path = program.path
        let staged = staged
        let isThere = try await digest(of: path) == new
        if !isThere {
            guard try await digest(of: staged) == new else {
                throw NodeError.malformedRequest("the new program was not brought here first")
            }
        }
        let directory = node.directory
        let failure: NodeError? = await node.loop.offload { [name = name] in
            do {
                try ProgramFile.copy(Executable.reference, to: directory.programBefore)
                unlink(directory.upgradeFailure)
                try ProgramFile.write(to: directory.upgradeTried) { put in try put(Array(new.hex.utf8)[...]) }
                try UpgradeWatch.launch(directory, program: path, digest: new)
                if !isThere { try ProgramFile.rename(staged, to: path) }
                return nil
            } catch {
                return .programInTheWay(node: name, path: path, reason: APIFailure(error).message)
            }
        }
        if let failure { throw failure }
        node.log.note("is to go on as \(Version.of(new)); the swarmlet until now is kept in \(directory.programBefore)")
    }
}
