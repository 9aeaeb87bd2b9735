import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// Sees to it that the copy of the log of what happened is whole, that what the mesh agrees on is signed, and that a member
/// which shows two logs is found out. Confined to its loop.
///
/// The leader signs the size and root that its state has, at most each 2 s and only when the log has grown, when somebody
/// else has signed last, or when a voter that can be reached has not put its name to it. Every other voter signs what it
/// has worked out for itself, keeps that on its disk first, and never signs two roots of one size.
final class AuditKeeper: @unchecked Sendable {
    private let node: MeshNode
    private var nextRound = Instant.zero
    /// The size that was looked at last, and until when that is enough.
    private var settled: (size: UInt64, until: Instant)?
    private var isPublishing = false

    private static let pause = Interval.seconds(1)
    private static let roundPause = Interval.seconds(2)
    /// When nothing is new but a cosignature is missing.
    private static let repeatPause = Interval.seconds(10)
    /// How long a voter waits until it has applied what it is asked to sign.
    private static let applyPatience = Interval.seconds(3)

    /// Whom this node turned away.
    let own: RefusalLog
    private var nextAnchor = Instant.zero

    /// Between two ends of this node's own log that the mesh is told.
    private static let anchorPause = Interval.seconds(60)

    init(node: MeshNode) {
        self.node = node
        own = RefusalLog(path: node.directory.refusals)
    }

    private var state: SchedulerState { node.state }
    private var audit: AuditLog { node.audit }
    var names: AuditNames { AuditNames(mesh: node.membership.meshKey.id, epoch: state.recoveries) }

    /// Runs until the node stops.
    func run() async {
        let exchange = AuditExchange(node: node)
        await beginOwnLog()
        while node.isRunning {
            audit.follow(state)
            if exchange.isBehind { await exchange.catchUp() }
            await publish()
            await tellRefusals()
            await tellEnd()
            do { try await node.loop.sleep(for: AuditKeeper.pause) } catch {
                if !node.isRunning { return }
            }
        }
    }

    /// Counts of what this daemon has refused. What the mesh does not take is said with the next.
    private func tellRefusals() async {
        guard state.isAudited, let due = node.refusals.takeDue(now: node.loop.now) else { return }
        do { _ = try await node.driver.carryOut(.refusals(node.id, due)) } catch {
            node.refusals.putBack(due)
        }
    }

    // MARK: This node's own log

    /// Somebody was turned away here.
    func turnedAway(_ refusal: RefusalLog.Refusal) {
        node.refusals.count(refusal.code)
        guard own.failure == nil else { return }
        own.note(refusal, at: EventLoops.wallClock.nanoseconds)
        warn()
    }

    /// Says it where this node's own log has just failed.
    private func warn() {
        guard let failure = own.failure else { return }
        node.log.warning("who is turned away is not written down any more: \(failure)")
    }

    private func beginOwnLog() async {
        let id = node.id
        let told = await audit.perform { store -> LineChain? in
            var end: LineChain?
            try store.newest { row in
                end = AuditEvent.end(ofLogOf: id, in: row.line.bytes)
                return end == nil
            }
            return end
        }
        own.begin(after: told ?? nil)
        warn()
    }

    /// Where it ends, once a minute at most, and only where something has come.
    private func tellEnd() async {
        guard state.level >= SchedulerState.anchorsLevel, node.loop.now >= nextAnchor, own.isUntold else { return }
        nextAnchor = node.loop.after(AuditKeeper.anchorPause)
        guard let end = await own.settle(on: node.loop) else { return warn() }
        do {
            _ = try await node.driver.carryOut(.anchored(node.id, end))
            own.hasTold(end)
        } catch {
            // The next round says it.
        }
    }

    // MARK: The leader

    /// The voters that have not signed the note, but for this node.
    private func missing(_ note: SignedNote) -> [NodeRecord] {
        let signed = names.signers(of: note, among: state.members).witnesses.map(\.id)
        let voters = node.driver.core.raft.membership
        return state.members.filter { voters.isVoter($0.id) && $0.id != node.id && !signed.contains($0.id) }
    }

    private func publish() async {
        guard node.driver.core.raft.role == .leader, state.isAudited, state.auditSize > 0, audit.failure == nil,
            node.loop.now >= nextRound, !isPublishing
        else { return }
        if let settled, settled.size == state.auditSize, node.loop.now < settled.until { return }
        isPublishing = true
        defer { isPublishing = false }
        let checkpoint = AuditCheckpoint(origin: names.origin, size: state.auditSize, root: state.auditRoot)
        var note = SignedNote(text: checkpoint.text)
        var isNew = true
        if let newest = audit.newest, newest.size == checkpoint.size, let old = parsed(newest.note),
            old.text == note.text, old.isSigned(by: names.origin, node.identity.publicKey)
        {
            note = old
            isNew = false
        } else {
            note.sign(name: names.origin, with: node.identity.signingKey)
        }
        let asked = missing(note).filter { node.peers.isConnected($0.id) }
        settled = (checkpoint.size, node.loop.after(AuditKeeper.repeatPause))
        guard isNew || !asked.isEmpty else { return }
        nextRound = node.loop.after(AuditKeeper.roundPause)
        let before = note
        for voter in asked { note = await askToSign(note, voter) }
        guard isNew || note != before else { return }
        await audit.keep(AuditStore.Signed(size: checkpoint.size, root: checkpoint.root, note: note.note))
        for member in state.members where member.id != node.id && node.peers.isConnected(member.id) {
            await tell(note, member)
        }
    }

    /// The note with the cosignature of a voter, where it gives one.
    private func askToSign(_ note: SignedNote, _ voter: NodeRecord) async -> SignedNote {
        guard let key = AuditNames.key(of: voter) else { return note }
        do {
            let answer = try await AuditExchange(node: node).ask(voter.id, .cosign(note.note))
            if let text = answer.contradiction { await accuse(note, text) }
            guard let text = answer.note else {
                if let refusal = answer.refusal {
                    node.log.note("\(voter.name) does not sign the audit log: \(refusal)")
                }
                return note
            }
            let signed = try SignedNote(note: text)
            // It adds its own name and changes nothing else.
            guard signed.text == note.text, signed.signatures.starts(with: note.signatures),
                signed.signatures.count == note.signatures.count + 1,
                signed.cosigned(by: names.witness(key), key) != nil
            else { return note }
            return signed
        } catch {
            node.log.note("\(voter.name) does not answer about the audit log: \(APIFailure(error).message)")
            return note
        }
    }

    private func tell(_ note: SignedNote, _ member: NodeRecord) async {
        do {
            let answer = try await AuditExchange(node: node).ask(member.id, .checkpoint(note.note))
            if let text = answer.contradiction { await accuse(note, text) }
        } catch {
            // It gets the next one.
        }
    }

    /// Another member shows what contradicts this note. It counts where a member has signed it.
    private func accuse(_ note: SignedNote, _ text: String) async {
        guard let other = parsed(text), let checkpoint = checkpoint(of: other), let own = self.checkpoint(of: note),
            checkpoint.size == own.size, checkpoint.root != own.root
        else { return }
        let (leader, witnesses) = names.signers(of: other, among: state.nodes)
        guard leader != nil || !witnesses.isEmpty else { return }
        await keepEvidence(size: own.size, first: text, second: note.note)
    }

    private func keepEvidence(size: UInt64, first: String, second: String) async {
        let known =
            audit.contradictions.count >= AuditStore.evidenceMax
            || audit.contradictions.contains { $0.first == first && $0.second == second }
        await audit.keep(
            AuditStore.Evidence(at: EventLoops.wallClock.nanoseconds, size: size, first: first, second: second))
        if !known {
            node.log.warning(
                "two audit logs of \(size) entries were signed: both notes are kept. See: swarmlet audit verify")
        }
    }

    private func parsed(_ note: String) -> SignedNote? {
        do { return try SignedNote(note: note) } catch { return nil }
    }

    private func checkpoint(of note: SignedNote) -> AuditCheckpoint? {
        do { return try AuditCheckpoint(text: note.text) } catch { return nil }
    }

    // MARK: The others

    /// The leader asks for this node's name under its checkpoint.
    func cosign(_ text: String, for sender: NodeID) async throws -> AuditAnswer {
        var note = try SignedNote(note: text)
        let checkpoint = try AuditCheckpoint(text: note.text)
        guard node.driver.core.raft.leader == sender, let record = state.node(sender), record.revocation == nil,
            let key = AuditNames.key(of: record), note.isSigned(by: checkpoint.origin, key)
        else { return AuditAnswer(refusal: "who asks does not lead, as far as is known here") }
        guard checkpoint.origin == names.origin else { return AuditAnswer(refusal: "it is another log") }
        try await waitUntilApplied(checkpoint.size)
        switch await judge(checkpoint) {
        case .unknown: return AuditAnswer(refusal: "\(checkpoint.size) entries are not here, or not as they were")
        case .contradiction: return await contradict(checkpoint, note)
        case .sign: break
        }
        let own = node.identity.signingKey
        let now = UInt64(clamping: EventLoops.wallClock.nanoseconds / 1_000_000_000)
        note.cosign(name: names.witness(own.publicKey), with: own, time: now)
        // On disk before anybody has it: what was signed is remembered, whatever happens.
        let signed = AuditStore.Signed(size: checkpoint.size, root: checkpoint.root, note: note.note)
        guard await audit.perform({ try $0.keep(signed, in: .signed) }) != nil else {
            return AuditAnswer(refusal: "its disk does not keep what it signs")
        }
        return AuditAnswer(note: note.note)
    }

    /// A checkpoint comes with the signatures that it has.
    func take(_ text: String) async throws -> AuditAnswer {
        let note = try SignedNote(note: text)
        let checkpoint = try AuditCheckpoint(text: note.text)
        let (leader, witnesses) = names.signers(of: note, among: state.nodes)
        guard checkpoint.origin == names.origin, leader != nil else {
            return AuditAnswer(refusal: "it is another log, or signed by nobody who is known here")
        }
        try await waitUntilApplied(checkpoint.size)
        switch await judge(checkpoint) {
        case .unknown: return AuditAnswer(refusal: "\(checkpoint.size) entries are not here, or not as they were")
        case .contradiction: return await contradict(checkpoint, note)
        case .sign: break
        }
        // The one with more names stays.
        if let newest = audit.newest, newest.size == checkpoint.size, let old = parsed(newest.note),
            names.signers(of: old, among: state.nodes).witnesses.count > witnesses.count
        {
            return AuditAnswer()
        }
        await audit.keep(AuditStore.Signed(size: checkpoint.size, root: checkpoint.root, note: note.note))
        return AuditAnswer()
    }

    private func waitUntilApplied(_ size: UInt64) async throws {
        let deadline = node.loop.after(AuditKeeper.applyPatience)
        while state.auditSize < size {
            guard try await node.driver.changes.isNotified(before: deadline) else { return }
        }
    }

    private func judge(_ checkpoint: AuditCheckpoint) async -> AuditWitness.Verdict {
        let size = checkpoint.size
        let applied = (size: state.auditSize, root: state.auditRoot)
        await audit.flush()
        let found = await audit.perform { store -> (signed: Digest?, own: Digest?) in
            let signed = try store.signed(in: .signed, size: size)?.root
            if size == applied.size { return (signed, applied.root) }
            // A copy that was altered on this host must not accuse anybody.
            guard store.frontier.size >= applied.size, store.root(size: applied.size) == applied.root else {
                return (signed, nil)
            }
            return (signed, store.root(size: size))
        }
        guard let found else { return .unknown }
        return AuditWitness.judge(checkpoint, signed: found.signed, own: found.own)
    }

    /// Refuses, keeps both notes, and shows the other side the one that it contradicts.
    private func contradict(_ checkpoint: AuditCheckpoint, _ note: SignedNote) async -> AuditAnswer {
        let size = checkpoint.size
        var first = (await audit.perform { try $0.signed(in: .signed, size: size) } ?? nil)?.note
        if first == nil {
            // Never signed: this node's own word for what it has applied.
            let root = await audit.perform { $0.root(size: size) } ?? nil
            if let root {
                var own = SignedNote(text: AuditCheckpoint(origin: names.origin, size: size, root: root).text)
                let now = UInt64(clamping: EventLoops.wallClock.nanoseconds / 1_000_000_000)
                own.cosign(name: names.witness(node.identity.publicKey), with: node.identity.signingKey, time: now)
                first = own.note
            }
        }
        guard let first else { return AuditAnswer(refusal: "it is not the log that is here") }
        await keepEvidence(size: size, first: first, second: note.note)
        return AuditAnswer(refusal: "it contradicts what was signed here", contradiction: first)
    }
}
