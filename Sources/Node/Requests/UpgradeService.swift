import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler
import Tokens

/// Gives this host, or another one of the mesh, another swarmlet. Confined to its loop.
///
/// The host at which an administrator asks signs its word for that program, and every host that is to run it looks at that
/// before it brings, tests, or places it (`ProgramGate`). Nothing changes before the new program has tested itself on its host. Then the old one is kept in the data directory, a
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

    private var program: OwnProgram { node.host.program }
    private var name: String { node.views.nodeName(node.id) }
    private var staged: String { "\(program.path).new-\(node.identity.publicKey.id.short)" }

    /// For a caller of this host; `begin` is to follow once the answer has been sent.
    func carryOut(
        _ request: UpgradeRequest, by asker: Asker, _ stream: any MessageStream
    ) async throws -> UpgradeView {
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
        let member = try request.node.map { try MemberViews(node: node).member(named: $0).nodeID } ?? node.id
        guard request.step != .look else { return member == node.id ? view() : try await ask(member, request) }
        try await node.refresh()
        if member == node.id, request.step == .prepare { try await prepare(request, from: member) }
        var signed = request
        signed.statement = try await statement(request, by: asker)
        return member == node.id ? try await carryOut(signed, from: member) : try await ask(member, signed)
    }

    /// This host's word for that program, which is here and was tested.
    private func statement(_ request: UpgradeRequest, by asker: Asker) async throws -> ProgramStatement {
        guard asker.role == .administrator else { throw NodeError.notAdministrator(user: asker.name, node: name) }
        let version = try await version(of: request.program)
        let time = ProgramGate.time(
            of: node.state, after: program.signedAt, AcceptedProgram.readIfWhole(node.directory))
        program.signedAt = time
        return ProgramStatement(
            request.program, version: version, allowsOlder: request.allowsOlder, time: time, actor: asker.actor,
            mesh: node.state.meshKeyID, key: node.identity.signingKey)
    }

    /// Serves another member.
    func serve(_ stream: any MessageStream, from member: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        guard case .upgrade(var request) = try APIRequest(encoded: bytes) else {
            throw NodeError.malformedRequest("expected a step of an upgrade")
        }
        request.node = nil
        if request.step != .look { try await node.refresh() }
        try await stream.send(APIReply.upgrade(try await carryOut(request, from: member)).encoded())
        await stream.finish()
        await hasAnswer(stream)
        begin(request)
    }

    /// Whoever asked lets go of the stream as soon as it has its answer: until then this daemon is still to be there.
    private func hasAnswer(_ stream: any MessageStream) async {
        let timer = node.loop.schedule(at: node.loop.after(UpgradeService.patience.look)) { stream.cancel() }
        defer { node.loop.cancel(timer) }
        do { _ = try await stream.receive() } catch {
            // Let go of by a reset, or nobody is there any more to be told.
        }
    }

    /// Goes on as the new program, if that is what was asked of this host.
    func begin(_ request: UpgradeRequest) {
        let isHere = request.node.map { node.state.node(named: $0)?.id == node.id } ?? true
        guard isHere, request.step == .change, program.digest != request.program else { return }
        node.loop.spawn("go on as another program") { [node = node, path = program.path] in
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
        guard request.step != .look else { return view() }
        let isLocal = holder == node.id
        // Of a damaged one nothing can be said; the administrator of this host goes past it.
        let accepted =
            isLocal ? AcceptedProgram.readIfWhole(node.directory) : try AcceptedProgram.read(node.directory)
        do {
            let signed = try pass(request, from: holder, accepted)
            if program.digest == request.program {
                // It runs already, and from now on it is signed.
                if let signed { try AcceptedProgram(signed, insteadOf: nil, accepted).write(node.directory) }
            } else if request.step == .change {
                try await change(to: request.program, signed, accepted)
            } else if !isLocal {
                try await prepare(request, from: holder)
            }
        } catch {
            if isLocal, request.step == .prepare { unlink(staged) }
            throw error
        }
        return view()
    }

    private func pass(
        _ request: UpgradeRequest, from holder: NodeID, _ accepted: AcceptedProgram?
    ) throws -> AcceptedProgram.Signed? {
        let gate = ProgramGate(
            state: node.state, node: node.id, key: node.identity.publicKey, running: Version.program,
            accepted: accepted)
        do { return try gate.pass(request.statement, for: request.program, from: holder) } catch {
            let failure = APIFailure(error)
            if holder != node.id { node.denied(holder, failure.code, failure.message) }
            throw failure
        }
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
        guard program.digest != request.program else { return }
        if try await place(of: request.program) == nil {
            guard let tree = request.tree else { throw NodeError.malformedRequest("no program to bring") }
            try await node.files.bring(tree, what: "the new swarmlet") { [holder] }
            try await stage(tree, as: request.program)
        }
        do {
            let version = try await version(of: request.program)
            if let statement = request.statement, statement.version != version {
                throw NodeError.programUnsigned(
                    node: name, reason: "it is \(version.text), and \(statement.version.text) was signed")
            }
        } catch {
            unlink(staged)
            throw error
        }
    }

    /// Where on this host a program lies that may take the place of the one that runs. A package, or another daemon of this
    /// host, may have put it there already.
    private func place(of wanted: Digest) async throws -> String? {
        if try await digest(of: program.path) == wanted { return program.path }
        return try await digest(of: staged) == wanted ? staged : nil
    }

    /// What a program that is here says of itself; it tests itself for that.
    private func version(of wanted: Digest) async throws -> ProgramVersion {
        guard program.digest != wanted else { return Version.program }
        guard let place = try await place(of: wanted) else { throw UpgradeService.notBrought }
        let (found, reason) = await node.loop.offload { ProgramFile.test(place) }
        guard let found else { throw NodeError.programUnfit(node: name, reason: reason) }
        guard found.levels.contains(node.state.level) else {
            throw NodeError.programLevels(node: name, program: found.levels, mesh: node.state.level)
        }
        return found.version
    }

    private static let notBrought = NodeError.malformedRequest("the new program was not brought here first")

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

    private func change(
        to new: Digest, _ signed: AcceptedProgram.Signed?, _ accepted: AcceptedProgram?
    ) async throws {
        let path = program.path
        let staged = staged
        guard let place = try await place(of: new) else { throw UpgradeService.notBrought }
        let directory = node.directory
        let keys = try KeyHandover.pipe(node.identity.lock)
        defer { if let keys { close(keys) } }
        let failure: NodeError? = await node.loop.offload { [name = name] in
            do {
                try ProgramFile.copy(Executable.reference, to: directory.programBefore)
                unlink(directory.upgradeFailure)
                try ProgramFile.write(to: directory.upgradeTried) { put in try put(Array(new.hex.utf8)[...]) }
                let before = try ProgramFile.digest(directory.programBefore)
                try AcceptedProgram.keep(
                    signed.map { AcceptedProgram($0, insteadOf: before, accepted) }, directory)
                try UpgradeWatch.launch(directory, program: path, digest: new, keys: keys)
                if place == path { return nil }
                if try ProgramFile.place(staged, at: path, ifItIs: new) { return nil }
                try ProgramFile.copy(directory.programBefore, to: path)
                throw NodeError.programUnfit(node: name, reason: "its file was exchanged meanwhile")
            } catch let error as NodeError {
                return UpgradeService.undo(accepted, directory) ?? error
            } catch {
                let failure = NodeError.programInTheWay(node: name, path: path, reason: APIFailure(error).message)
                return UpgradeService.undo(accepted, directory) ?? failure
            }
        }
        if let failure { throw failure }
        let by = signed.map { ", signed for \($0.statement.actor)" } ?? ""
        node.log.note(
            "is to go on as \(Version.of(new))\(by); the swarmlet until now is kept in \(directory.programBefore)")
    }

    /// What was accepted until now counts on.
    private static func undo(_ accepted: AcceptedProgram?, _ directory: DataDirectory) -> NodeError? {
        do { try AcceptedProgram.keep(accepted, directory) } catch {
            return .dataDirectoryDamaged(path: directory.programSigned, reason: APIFailure(error).message)
        }
        return nil
    }
}
