import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler
import Tokens

/// Answers questions about the log of what happened from this node's copy. Confined to its loop.
struct AuditService {
    let node: MeshNode

    /// Lines in one message.
    private static let linesPerMessage = 512
    /// Rows that are looked at in one go on the thread of the file.
    private static let rowsPerSlice = 4_096
    /// How long is waited for a checkpoint that covers what has just happened.
    private static let checkpointPatience = Interval.seconds(6)

    private var state: SchedulerState { node.state }
    private var audit: AuditLog { node.audit }

    /// Refuses where there is nothing to be asked; else the copy is as new as the state is now.
    private func prepare() async throws {
        guard state.isAudited else { throw NodeError.auditNotYet(level: state.level) }
        try await node.refresh()
        await audit.flush()
        if let failure = audit.failure { throw NodeError.auditUnreadable(failure) }
    }

    private func read<Value: Sendable>(
        _ work: @escaping @Sendable (AuditStore) throws -> Value
    ) async throws -> Value {
        guard let value = await audit.perform(work) else {
            throw NodeError.auditUnreadable(audit.failure ?? "it is being closed")
        }
        return value
    }

    // MARK: Listing

    func list(
        since: Int64?, tail: UInt64?, token: String?, _ reply: (AuditReply) async throws -> Void
    ) async throws {
        try await prepare()
        @Sendable func matches(_ line: [UInt8]) -> Bool {
            guard since != nil || token != nil else { return true }
            guard let event = AuditEvent(line: line) else { return true }
            if let token,
                !event.tokens.contains(where: { $0.hasPrefix(token) || AccessGrant.shortID($0) == token })
            {
                return false
            }
            return since.map { event.time >= $0 } ?? true
        }
        var first: UInt64 = 0
        if let tail {
            first = try await read { store in
                var left = tail
                var first = store.frontier.size
                guard left > 0 else { return first }
                try store.newest { row in
                    first = row.line.sequence
                    if matches(row.line.bytes) { left -= 1 }
                    return left > 0
                }
                return first
            }
        }
        let size = audit.size
        while first < size {
            let from = first
            let rows = try await read { try $0.rows(from: from, limit: AuditService.linesPerMessage) }
            guard let last = rows.last else { break }
            first = last.line.sequence + 1
            let lines = rows.map(\.line.bytes).filter(matches)
            if !lines.isEmpty { try await reply(.lines(lines.map { Bytes($0) })) }
        }
    }

    // MARK: Verifying

    func verify(checkpoint text: String?) async throws -> AuditVerdict {
        try await prepare()
        await waitForCheckpoint(of: state.auditSize)
        // Between the state and the copy no line may come in between: what was applied by now is in both.
        let (size, root, recoveries) = (state.auditSize, state.auditRoot, state.recoveries)
        await audit.flush()
        var verdict = AuditVerdict(size: size)
        verdict.evidence = audit.contradictions.flatMap { [$0.first, $0.second] }
        let known = try await read { try $0.checkpoints() }
        let given = try text.map { try older($0) }
        judge(known.first, &verdict)
        var anchors = known.filter { $0.size <= size }.map { AuditCheck.Anchor(size: $0.size, root: $0.root) }
        if let given, given.size <= size { anchors.append(AuditCheck.Anchor(size: given.size, root: given.root)) }
        anchors.append(AuditCheck.Anchor(size: size, root: root))
        if audit.size < size {
            verdict.fail(
                "audit.incomplete",
                "\(size - audit.size) of \(size) events are not on \(node.views.nodeName(node.id)) yet",
                hint: "they come from other members while these can be reached: swarmlet doctor")
        }
        if let flaw = try await look(anchors, size: size, &verdict) {
            if let given, case .alteredAmong(let entries) = flaw, entries.upperBound + 1 == given.size,
                !known.contains(where: { $0.size == given.size && $0.root == given.root }),
                try await agreesWithMesh(given, size, root) == false
            {
                verdict.fail(
                    "audit.inconsistent", "does not begin with the log of the checkpoint given (\(given.size) events)",
                    hint: "whoever signed one of them shows two logs. Keep both; what this node has: swarmlet audit ls")
            } else {
                try await name(flaw, size, root, recoveries, &verdict)
            }
        } else if let given, given.size > size {
            verdict.fail(
                "audit.shorter", "has \(size) events, the checkpoint given has \(given.size)",
                hint: "the log was cut, or this node is behind: swarmlet doctor")
        }
        if !audit.contradictions.isEmpty {
            verdict.fail(
                "audit.contradiction", "two logs were signed: \(audit.contradictions.count) pairs of notes are kept",
                hint: "find out who signed both: swarmlet audit verify --json. A node in wrong hands: "
                    + "swarmlet node revoke NAME")
        }
        try await judgeOwnLog(&verdict)
        return verdict
    }

    /// Holds this node's own log against the ends of it that stand in the log of what happened.
    private func judgeOwnLog(_ verdict: inout AuditVerdict) async throws {
        let id = node.id
        let ends = try await read { store in
            var ends: [LineChain] = []
            try store.newest { row in
                if let end = AuditEvent.end(ofLogOf: id, in: row.line.bytes) { ends.append(end) }
                return true
            }
            return ends
        }
        let path = node.directory.refusals
        let checked: Result<LineChainCheck, HostError> = await node.loop.offload {
            Result { () throws(HostError) in try RefusalLog.check(path, against: ends) }
        }
        let hint = "only who can write to that file can have done it. From here on it is as the mesh is told"
        switch try checked.get().verdict {
        case .whole(let lines): verdict.ownLines = lines > 0 ? lines : nil
        case .flaw(.altered(let line)):
            verdict.fail("audit.own_altered", "line \(line) of \(path) was altered", hint: hint)
        case .flaw(.misplaced(let line)):
            verdict.fail("audit.own_altered", "another line stands as number \(line) in \(path)", hint: hint)
        case .flaw(.missing(let line)):
            verdict.fail("audit.own_missing", "lines of \(path) are missing, from number \(line) on", hint: hint)
        }
    }

    /// The checkpoint that somebody kept: signed by somebody who is known here.
    private func older(_ text: String) throws -> AuditCheckpoint {
        let note = try SignedNote(note: text)
        let checkpoint = try AuditCheckpoint(text: note.text)
        let names = node.auditKeeper.names
        guard checkpoint.origin == names.origin else {
            throw NodeError.auditOtherLog(given: checkpoint.origin, here: names.origin)
        }
        let (leader, witnesses) = names.signers(of: note, among: state.nodes)
        guard leader != nil || !witnesses.isEmpty else { throw NodeError.auditUnsigned }
        return checkpoint
    }

    private func judge(_ newest: AuditStore.Signed?, _ verdict: inout AuditVerdict) {
        guard let newest else { return }
        verdict.signedSize = newest.size
        verdict.checkpoint = newest.note
        let note: SignedNote
        do { note = try SignedNote(note: newest.note) } catch { return unsigned(&verdict) }
        let names = node.auditKeeper.names
        let (leader, witnesses) = names.signers(of: note, among: state.nodes)
        let own = AuditCheckpoint(origin: names.origin, size: newest.size, root: newest.root)
        guard let leader, note.text == own.text else { return unsigned(&verdict) }
        let signed = [leader] + witnesses.filter { $0.id != leader.id }
        verdict.signers = signed.map(\.name)
        let voters = node.driver.core.raft.membership
        verdict.missing = state.members.filter { member in
            voters.isVoter(member.id) && !signed.contains { $0.id == member.id }
        }.map(\.name)
    }

    private func unsigned(_ verdict: inout AuditVerdict) {
        verdict.fail(
            "audit.unsigned", "the newest checkpoint here is signed by nobody who is known",
            hint: "another member's: swarmlet audit verify there. To have this node ask for all of it again, stop its "
                + "daemon and move audit.db away")
    }

    /// Through all rows, slice by slice; the first flaw.
    private func look(
        _ anchors: [AuditCheck.Anchor], size: UInt64, _ verdict: inout AuditVerdict
    ) async throws -> AuditCheck.Flaw? {
        var check = AuditCheck(anchors: anchors)
        while check.flaw == nil, check.frontier.size < size {
            let before = check
            let (after, time, rows) = try await read { store -> (AuditCheck, Int64?, Int) in
                var check = before
                let rows = try store.rows(from: before.frontier.size, limit: AuditService.rowsPerSlice)
                for row in rows.prefix(Int(clamping: size - before.frontier.size)) {
                    check.take(
                        sequence: row.line.sequence, line: row.line.bytes,
                        saysSequence: AuditEvent(line: row.line.bytes)?.sequence, leaf: row.leaf)
                }
                return (check, rows.first.flatMap { AuditEvent(line: $0.line.bytes)?.time }, rows.count)
            }
            if before.frontier.size == 0 { verdict.since = time }
            check = after
            if rows == 0 { break }
        }
        check.finish(size: size)
        return check.flaw
    }

    /// Whether the log of the mesh, as its state has it, begins with what a checkpoint says; nil where nobody can tell.
    private func agreesWithMesh(_ given: AuditCheckpoint, _ size: UInt64, _ root: Digest) async throws -> Bool? {
        try await read { store in
            guard let own = store.root(size: given.size), store.root(size: size) == root else { return nil }
            return own == given.root
        }
    }

    /// Says which event is bad. What looks right by itself is held against the copy of another member.
    private func name(
        _ flaw: AuditCheck.Flaw, _ size: UInt64, _ root: Digest, _ recoveries: UInt64, _ verdict: inout AuditVerdict
    ) async throws {
        let hint =
            "what it was: swarmlet audit ls on another member. To have this node ask the others for all of it "
            + "again, stop its daemon and move \(node.directory.audit) away"
        let here = "on \(node.views.nodeName(node.id))"
        switch flaw {
        case .missing(let entry):
            verdict.fail("audit.missing", "event \(entry) is missing \(here)", at: entry, hint: hint)
        case .altered(let entry):
            verdict.fail("audit.altered", "event \(entry) was altered \(here)", at: entry, hint: hint)
        case .misplaced(let entry):
            verdict.fail("audit.misplaced", "another event stands as number \(entry) \(here)", at: entry, hint: hint)
        case .surplus(let entry):
            verdict.fail("audit.surplus", "event \(entry) was never in the log \(here)", at: entry, hint: hint)
        case .alteredAmong(let entries):
            if let entry = await difference(in: entries, size, root, recoveries) {
                verdict.fail(
                    "audit.altered", "event \(entry) was altered \(here)", at: entry, hint: hint)
            } else {
                verdict.fail(
                    "audit.altered",
                    "one of the events \(entries.lowerBound) to \(entries.upperBound) was altered \(here)",
                    at: entries.lowerBound, hint: hint)
            }
        }
    }

    /// The first event that another member has otherwise, by what it can prove.
    private func difference(
        in entries: ClosedRange<UInt64>, _ size: UInt64, _ root: Digest, _ recoveries: UInt64
    ) async -> UInt64? {
        let exchange = AuditExchange(node: node)
        for member in state.members where member.id != node.id && node.peers.isConnected(member.id) {
            let start = await audit.perform { store in
                MerkleFrontier(size: entries.lowerBound) { store.subtree($0) }
            }
            guard var frontier = start ?? nil else { return nil }
            while frontier.size <= entries.upperBound, state.recoveries == recoveries {
                do {
                    guard let piece = try await exchange.piece(from: member.id, after: frontier, size: size, root: root)
                    else { break }
                    let from = frontier.size
                    let own = await audit.perform { try $0.rows(from: from, limit: piece.count) } ?? []
                    for (index, line) in piece.enumerated() {
                        guard index < own.count, own[index].line.bytes == line.bytes else { return line.sequence }
                        frontier.append(leaf: MerkleHash.leaf(line.bytes))
                    }
                } catch {
                    // Another member may have it.
                    break
                }
            }
        }
        return nil
    }

    // MARK: Proofs

    func proof(ofJob job: JobID) async throws -> AuditProofView {
        try await prepare()
        guard let sequence = try await read({ try $0.sequence(ofJob: job) }) else { throw NodeError.auditNoJob(job) }
        return try await proof(of: sequence)
    }

    func proof(of sequence: UInt64) async throws -> AuditProofView {
        try await prepare()
        guard sequence < state.auditSize else { throw NodeError.auditNoEvent(sequence, size: state.auditSize) }
        await waitForCheckpoint(of: sequence + 1)
        guard let newest = audit.newest, newest.size > sequence else { throw NodeError.auditNotSigned(sequence) }
        let found = try await read { store -> (line: [UInt8], hashes: [Digest])? in
            guard let row = try store.rows(from: sequence, limit: 1).first, row.line.sequence == sequence,
                let hashes = MerkleProof.inclusion(of: sequence, size: newest.size, { store.subtree($0) }),
                MerkleProof.verifies(
                    hashes, leaf: MerkleHash.leaf(row.line.bytes), index: sequence, size: newest.size,
                    root: newest.root)
            else { return nil }
            return (row.line.bytes, hashes)
        }
        guard let found else { throw NodeError.auditDamaged(sequence) }
        return AuditProofView(
            sequence: sequence, line: Bytes(found.line), hashes: found.hashes, checkpoint: newest.note,
            keys: try keys(of: newest.note))
    }

    private func keys(of text: String) throws -> [String] {
        let note = try SignedNote(note: text)
        let names = node.auditKeeper.names
        let (leader, witnesses) = names.signers(of: note, among: state.nodes)
        let log = leader.flatMap(AuditNames.key).map { ["\(names.origin) \($0.text)"] } ?? []
        return log + witnesses.compactMap(AuditNames.key).map { "\(names.witness($0)) \($0.text)" }
    }

    /// The leader signs what is new within seconds; who asks at once waits for it, and takes what there is otherwise.
    private func waitForCheckpoint(of size: UInt64) async {
        let deadline = node.loop.after(AuditService.checkpointPatience)
        while audit.newest?.size ?? 0 < size, node.driver.core.raft.leader != nil, node.isRunning {
            do {
                guard try await audit.changes.isNotified(before: deadline) else { return }
            } catch {
                return
            }
        }
    }
}
