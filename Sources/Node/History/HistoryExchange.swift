import Codec
import Mesh
import Ring
import Scheduler

/// Finished jobs that this node missed, because it joined later or lost its disk: got from a member that has them, part
/// by part, as trees by content. Confined to its loop.
struct HistoryExchange {
    let node: MeshNode

    /// Between two looks at whether something is missing, and between two tries to get it.
    private static let pause = Interval.seconds(2)
    /// The file of a part in its tree.
    private static let fileName = "jobs"

    /// Runs until the node stops.
    func run() async {
        while node.isRunning {
            do {
                node.history.follow(node.state)
                if isBehind { try await catchUp() }
                try await node.loop.sleep(for: HistoryExchange.pause)
            } catch {
                if !node.isRunning { return }
            }
        }
    }

    /// Whether jobs have left the state that are neither here nor on their way to the disk.
    private var isBehind: Bool {
        node.history.failure == nil && node.driver.core.hasCaughtUp && node.history.isIdle
            && node.history.completeThrough < node.state.archivedCount
    }

    private func catchUp() async throws {
        for member in node.state.members where member.id != node.id && node.peers.isConnected(member.id) {
            while isBehind, node.isRunning {
                guard try await fetchPart(from: member.id) else { break }
            }
        }
    }

    /// False where that member has nothing that is missing here, or does not answer.
    private func fetchPart(from peer: NodeID) async throws -> Bool {
        let before = node.history.completeThrough
        do {
            let stream = try await node.peers.openStream(.history, to: peer)
            defer { stream.cancel() }
            var question = CBORMap()
            let epoch = node.history.epoch
            question.set(1, before + 1)
            question.set(2, epoch)
            try await stream.send(CBOR.map(question).encoded())
            guard let bytes = try await stream.receive() else { return false }
            guard let root = try CBOR.decode(bytes).requireMap().optional(1, Digest.self) else { return false }
            try await node.files.bring(root, what: "finished jobs") { [peer] }
            let content = try await read(root)
            guard node.history.epoch == epoch else { return false }
            try await node.history.take(content, from: before + 1, through: node.state.archivedCount)
        } catch {
            node.log.note(
                "finished jobs cannot be had from \(node.views.nodeName(peer)): \(APIFailure(error).message)")
            return false
        }
        return node.history.completeThrough > before
    }

    private func read(_ root: Digest) async throws -> [UInt8] {
        try await node.trees.perform { store in
            guard case .file(let file) = try store.manifest(root).entry(at: HistoryExchange.fileName)?.content else {
                throw CodecError.invalid("a part of the history without its jobs")
            }
            var content: [UInt8] = []
            for chunk in file.chunks {
                content += try store.read(chunk, byteCountMax: TransferConstants.chunkBytes)
            }
            return content
        }
    }

    /// Serves a member that lacks the jobs from one on: the answer names the tree of the part that begins there.
    func serve(_ stream: any MessageStream) async throws {
        guard let bytes = try await stream.receive() else { return stream.cancel() }
        let question = try CBOR.decode(bytes).requireMap()
        let first: UInt64 = try question.require(1)
        var answer = CBORMap()
        node.history.follow(node.state)
        // In another epoch the same number may be another job.
        if try question.require(2) == node.history.epoch, let part = await node.history.part(beginningAt: first) {
            answer.set(1, try await put(part.bytes))
        }
        try await stream.send(CBOR.map(answer).encoded())
        await stream.finish()
    }

    private func put(_ content: [UInt8]) async throws -> Digest {
        try await node.trees.perform { store in
            var chunks: [Digest] = []
            for start in stride(from: 0, to: content.count, by: TransferConstants.chunkBytes) {
                chunks.append(try store.put(Array(content[start...].prefix(TransferConstants.chunkBytes))))
            }
            try store.commit()
            let file = Manifest.File(byteCount: UInt64(content.count), isExecutable: false, chunks: chunks)
            let manifest = try Manifest(entries: [.init(path: HistoryExchange.fileName, content: .file(file))])
            let root = try store.put(manifest)
            try store.commit()
            return root
        }
    }
}
