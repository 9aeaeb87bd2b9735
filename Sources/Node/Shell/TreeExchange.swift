import Codec
import Mesh

/// Moves trees over message streams: chunks by content, only what the other side lacks, each verified as it arrives.
enum TreeExchange {
    /// Sends what the other side lacks of a tree that is here, and waits until it is safe there.
    static func push(_ root: Digest, from store: TreeStore, over stream: any MessageStream) async throws {
        let manifest = try await store.perform { try $0.manifest(root).encoded() }
        try await send(.offer(manifest: manifest), over: stream)
        guard case .need(let digests) = try await receive(from: stream) else { throw unexpected }
        try await sendChunks(digests, from: store, over: stream)
        try await send(.done, over: stream)
        guard case .done = try await receive(from: stream) else { throw unexpected }
        await stream.finish()
    }

    /// Brings a tree here from a node that has it.
    static func fetch(_ root: Digest, into store: TreeStore, over stream: any MessageStream) async throws {
        var manifest = try await store.manifestIfPresent(root)
        if manifest == nil {
            try await send(.wantManifest(root), over: stream)
            guard case .manifest(let bytes) = try await receive(from: stream) else { throw unexpected }
            guard BLAKE3.hash(bytes) == root else { throw TransferError.blobDamaged(root) }
            manifest = try Manifest.decode(bytes)
        }
        guard let manifest else { return }
        try await receiveTree(manifest, into: store, over: stream) { missing in
            try await send(.want(missing), over: stream)
        }
        await stream.finish()
    }

    /// Takes a tree that is offered: asks for what is missing, stores it, and keeps the manifest last.
    ///
    /// - Parameter asksForAll: whether what is here already is asked for, too.
    static func accept(
        _ bytes: [UInt8], into store: TreeStore, asksForAll: Bool = false,
        ask: (TransferMessage) async throws -> Void, next: () async throws -> TransferMessage
    ) async throws -> (manifest: Manifest, received: Int) {
        let manifest = try Manifest.decode(bytes)
        let missing = asksForAll ? manifest.chunks : try await store.perform { $0.missing(manifest.chunks) }
        try await ask(.need(missing))
        try await takeChunks(missing, into: store, next: next)
        guard case .done = try await next() else { throw unexpected }
        try await keep(manifest, in: store)
        return (manifest, missing.count)
    }

    /// Serves one stream of another node until it is done.
    static func serve(_ stream: any MessageStream, store: TreeStore) async throws {
        while let bytes = try await stream.receive() {
            switch try TransferMessage.decode(bytes) {
            case .offer(let manifest):
                _ = try await accept(
                    manifest, into: store,
                    ask: { try await send($0, over: stream) }, next: { try await receive(from: stream) })
                try await send(.done, over: stream)
            case .wantManifest(let root):
                try await send(.manifest(try await store.perform { try $0.manifest(root).encoded() }), over: stream)
            case .want(let digests):
                try await sendChunks(digests, from: store, over: stream)
                try await send(.done, over: stream)
            case .need, .chunk, .manifest, .done, .failed: throw unexpected
            }
        }
        await stream.finish()
    }

    /// Sends a whole tree to a caller that has nothing of it.
    static func sendAll(
        _ root: Digest, from store: TreeStore, send: (TransferMessage) async throws -> Void
    ) async throws {
        let manifest = try await store.perform { try $0.manifest(root) }
        try await send(.manifest(manifest.encoded()))
        for digest in manifest.chunks {
            let content = try await store.perform { try $0.read(digest, byteCountMax: TransferConstants.chunkBytes) }
            for message in TransferMessage.chunks(of: digest, content: content) { try await send(message) }
        }
        try await send(.done)
    }

    // MARK: Parts

    private static func receiveTree(
        _ manifest: Manifest, into store: TreeStore, over stream: any MessageStream,
        request: ([Digest]) async throws -> Void
    ) async throws {
        let missing = try await store.perform { $0.missing(manifest.chunks) }
        if !missing.isEmpty {
            try await request(missing)
            try await takeChunks(missing, into: store) { try await receive(from: stream) }
            guard case .done = try await receive(from: stream) else { throw unexpected }
        }
        try await keep(manifest, in: store)
    }

    private static func keep(_ manifest: Manifest, in store: TreeStore) async throws {
        // The manifest after its chunks: where it is, the tree is whole.
        try await store.perform {
            try $0.commit()
            try $0.put(manifest)
            try $0.commit()
        }
    }

    private static func takeChunks(
        _ digests: [Digest], into store: TreeStore, next: () async throws -> TransferMessage
    ) async throws {
        var assembler = ChunkAssembler(missing: digests)
        while !assembler.isComplete {
            guard case .chunk(let digest, let offset, let bytes, let isLast) = try await next() else {
                throw unexpected
            }
            guard let chunk = try assembler.accept(digest, offset: offset, bytes: bytes, isLast: isLast) else {
                continue
            }
            try await store.perform { try $0.stage(chunk.content, as: chunk.digest) }
        }
    }

    private static func sendChunks(
        _ digests: [Digest], from store: TreeStore, over stream: any MessageStream
    ) async throws {
        for digest in digests {
            let content = try await store.perform { try $0.read(digest, byteCountMax: TransferConstants.chunkBytes) }
            for message in TransferMessage.chunks(of: digest, content: content) {
                try await send(message, over: stream)
            }
        }
    }

    private static func send(_ message: TransferMessage, over stream: any MessageStream) async throws {
        try await stream.send(message.encoded())
    }

    private static func receive(from stream: any MessageStream) async throws -> TransferMessage {
        guard let bytes = try await stream.receive() else { throw unexpected }
        let message = try TransferMessage.decode(bytes)
        if case .failed(let code, let text) = message {
            throw TransferError.refused(code: code, message: text)
        }
        return message
    }

    private static var unexpected: TransferError { .unexpected("a transfer went out of step") }
}
