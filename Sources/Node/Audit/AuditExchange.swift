import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// Lines of the log of what happened that this node missed, because it joined later, lost its file, or was sent a snapshot:
/// got from a member, a piece at a time, and believed only once they fit the tree that the mesh has agreed on. Confined to
/// its loop.
struct AuditExchange {
    let node: MeshNode

    /// Lines in one piece, and bytes of them.
    static let linesMax = 1_024
    static let bytesMax = 256 << 10
    /// A member that does not answer is left.
    static let patience = Interval.seconds(10)

    /// Whether lines are missing that are not on their way to the disk.
    var isBehind: Bool {
        node.audit.failure == nil && node.driver.core.hasCaughtUp && node.audit.size < node.state.auditSize
    }

    /// Whether more is missing than what is on its way to the disk.
    var isFarBehind: Bool { isBehind && !node.audit.isWriting }

    func catchUp() async {
        await node.audit.flush()
        for member in node.state.members where member.id != node.id && node.peers.isConnected(member.id) {
            while isBehind, node.isRunning {
                do {
                    guard try await fetchPiece(from: member.id) else { break }
                } catch {
                    node.log.note(
                        "the audit log cannot be had from \(member.name): \(APIFailure(error).message)")
                    break
                }
            }
        }
    }

    /// False where that member has nothing that is missing here.
    private func fetchPiece(from peer: NodeID) async throws -> Bool {
        let (size, root, epoch) = (node.state.auditSize, node.state.auditRoot, node.audit.epoch)
        guard let frontier = await node.audit.perform({ $0.frontier }), frontier.size < size else { return false }
        guard let piece = try await piece(from: peer, after: frontier, size: size, root: root) else { return false }
        guard node.audit.epoch == epoch else { return false }
        return await node.audit.perform { try $0.write(piece) } != nil
    }

    /// The lines behind `frontier` that a member has, checked against the root of a size; nil where it has none.
    ///
    /// - Throws: where what it sent is not the log.
    func piece(
        from peer: NodeID, after frontier: MerkleFrontier, size: UInt64, root: Digest
    ) async throws -> [AuditLine]? {
        let question = AuditMessage.lines(from: frontier.size, size: size, epoch: node.audit.epoch)
        let answer = try await ask(peer, question)
        return try AuditExchange.check(answer, after: frontier, size: size, root: root)
    }

    /// The lines of an answer, where they go on from `frontier` to the tree with that size and root.
    static func check(
        _ answer: AuditAnswer, after frontier: MerkleFrontier, size: UInt64, root: Digest
    ) throws -> [AuditLine]? {
        guard !answer.lines.isEmpty else { return nil }
        guard answer.lines.count <= linesMax, frontier.size + UInt64(answer.lines.count) <= size else {
            throw NodeError.auditUnproved
        }
        var next = frontier
        var lines: [AuditLine] = []
        for bytes in answer.lines {
            lines.append(AuditLine(sequence: next.size, bytes: bytes.array))
            next.append(leaf: MerkleHash.leaf(bytes.array))
        }
        guard MerkleProof.verifies(answer.proof, from: (next.size, next.root), to: (size, root)) else {
            throw NodeError.auditUnproved
        }
        return lines
    }

    /// One question to a member.
    func ask(_ peer: NodeID, _ message: AuditMessage) async throws -> AuditAnswer {
        let stream = try await node.peers.openStream(.audit, to: peer)
        let patience = node.loop.schedule(at: node.loop.after(AuditExchange.patience)) { stream.cancel() }
        defer {
            node.loop.cancel(patience)
            stream.cancel()
        }
        try await stream.send(message.encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.closed }
        return try AuditAnswer(encoded: bytes, limits: APILimits.message)
    }

    // MARK: Serving

    func serve(_ stream: any MessageStream, from sender: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        let answer: AuditAnswer
        switch try AuditMessage(encoded: bytes) {
        case .lines(let first, let size, let epoch): answer = await lines(from: first, size: size, epoch: epoch)
        case .cosign(let note): answer = try await node.auditKeeper.cosign(note, for: sender)
        case .checkpoint(let note): answer = try await node.auditKeeper.take(note)
        }
        try await stream.send(answer.encoded())
        await stream.finish()
    }

    private func lines(from first: UInt64, size: UInt64, epoch: UInt64) async -> AuditAnswer {
        await node.audit.flush()
        // In another epoch the same number may be another entry.
        guard epoch == node.audit.epoch else { return AuditAnswer() }
        let answer = await node.audit.perform { store -> AuditAnswer? in
            guard first < size, size <= store.frontier.size else { return nil }
            let limit = Int(min(UInt64(AuditExchange.linesMax), size - first))
            let rows = try store.rows(from: first, limit: limit, bytesMax: AuditExchange.bytesMax)
            // Who asks checks them: a copy that was altered here is refused there.
            guard
                let proof = MerkleProof.consistency(
                    from: first + UInt64(rows.count), to: size, { store.subtree($0) })
            else { return nil }
            return AuditAnswer(lines: rows.map { Bytes($0.line.bytes) }, proof: proof)
        }
        return (answer ?? nil) ?? AuditAnswer()
    }
}
