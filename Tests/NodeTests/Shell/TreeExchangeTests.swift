import Codec
import Mesh
import Testing

@testable import Node

@Suite("Trees that travel")
struct TreeExchangeTests {
    private let scratch: ScratchDirectory
    private let here: TreeStore
    private let there: TreeStore

    init() throws {
        scratch = try ScratchDirectory()
        here = try TreeStore(path: scratch.path + "/here")
        there = try TreeStore(path: scratch.path + "/there")
    }

    /// Puts a tree of these files, each of one chunk, into the store and answers its root.
    private func plant(_ files: [String: [UInt8]], in store: TreeStore) async throws -> Digest {
        try await store.perform { store in
            var entries: [Manifest.Entry] = []
            for (name, content) in files.sorted(by: { $0.key < $1.key }) {
                let file = Manifest.File(
                    byteCount: UInt64(content.count), isExecutable: false, chunks: [try store.put(content)])
                entries.append(Manifest.Entry(path: name, content: .file(file)))
            }
            let root = try store.put(Manifest(entries: entries))
            try store.commit()
            return root
        }
    }

    private func finishStores() {
        here.finish()
        there.finish()
    }

    /// Runs one side against a node that serves; either side that fails ends the stream for both.
    private func against(
        _ store: TreeStore, altering alter: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 },
        _ body: (MemoryStream) async throws -> Void
    ) async throws -> MemoryStream {
        let (client, server) = MemoryStream.pair(altering: alter)
        async let serving: Void = {
            do {
                try await TreeExchange.serve(server, store: store)
            } catch {
                server.cancel()
            }
        }()
        do {
            try await body(client)
        } catch {
            client.cancel()
            await serving
            throw error
        }
        await client.finish()
        await serving
        return server
    }

    private func chunks(in messages: [[UInt8]]) throws -> Set<Digest> {
        var found: Set<Digest> = []
        for message in messages {
            if case .chunk(let digest, _, _, _) = try TransferMessage.decode(message) { found.insert(digest) }
        }
        return found
    }

    @Test("a tree that is fetched is here whole")
    func fetch() async throws {
        defer { finishStores() }
        let root = try await plant(["a": [1, 2, 3], "b": [4]], in: there)
        #expect(try await !here.holds(root))
        _ = try await against(there) { try await TreeExchange.fetch(root, into: here, over: $0) }
        #expect(try await here.holds(root))
        #expect(try await here.perform { try $0.read(BLAKE3.hash([1, 2, 3])) } == [1, 2, 3])
    }

    @Test("of a tree that is fetched only what is missing travels")
    func onlyMissing() async throws {
        defer { finishStores() }
        _ = try await plant(["a": [1, 2, 3]], in: here)
        let root = try await plant(["a": [1, 2, 3], "b": [4]], in: there)
        let server = try await against(there) { try await TreeExchange.fetch(root, into: here, over: $0) }
        #expect(try chunks(in: server.sentMessages) == [BLAKE3.hash([4])])
        let again = try await against(there) { try await TreeExchange.fetch(root, into: here, over: $0) }
        #expect(again.sentMessages.isEmpty)
    }

    @Test("a tree that is pushed is there whole when the push returns, and only what was missing travelled")
    func push() async throws {
        defer { finishStores() }
        _ = try await plant(["a": [1, 2, 3]], in: there)
        let root = try await plant(["a": [1, 2, 3], "b": [4]], in: here)
        let (client, server) = MemoryStream.pair()
        async let serving: Void = TreeExchange.serve(server, store: there)
        try await TreeExchange.push(root, from: here, over: client)
        #expect(try await there.holds(root))
        try await serving
        #expect(try chunks(in: client.sentMessages) == [BLAKE3.hash([4])])
    }

    @Test("content that was altered on its way is refused and not kept")
    func alteredChunk() async throws {
        defer { finishStores() }
        let root = try await plant(["a": [1, 2, 3]], in: there)
        await #expect(throws: TransferError.self) {
            _ = try await against(
                there,
                altering: { message in
                    guard case .chunk(let digest, let offset, var bytes, let isLast)? = decoded(message) else {
                        return message
                    }
                    bytes[0] ^= 1
                    return TransferMessage.chunk(digest, offset: offset, bytes: bytes, isLast: isLast).encoded()
                }
            ) { try await TreeExchange.fetch(root, into: here, over: $0) }
        }
        #expect(try await !here.holds(root))
        #expect(try await here.perform { $0.missing([BLAKE3.hash([1, 2, 3])]).count } == 1)
    }

    @Test("another tree's manifest in place of the one asked for is refused")
    func alteredManifest() async throws {
        defer { finishStores() }
        let root = try await plant(["a": [1, 2, 3]], in: there)
        await #expect(throws: TransferError.self) {
            _ = try await against(
                there,
                altering: { message in
                    guard case .manifest? = decoded(message) else { return message }
                    return TransferMessage.manifest(Manifest.empty.encoded()).encoded()
                }
            ) { try await TreeExchange.fetch(root, into: here, over: $0) }
        }
        #expect(try await !here.holds(root))
    }

    @Test("what a node does not have cannot be fetched from it, and what goes out of step is refused")
    func refusals() async throws {
        defer { finishStores() }
        let root = BLAKE3.hash([9])
        await #expect(throws: TransferError.self) {
            _ = try await against(there) { try await TreeExchange.fetch(root, into: here, over: $0) }
        }
        let (client, server) = MemoryStream.pair()
        try await client.send(TransferMessage.need([root]).encoded())
        await #expect(throws: TransferError.self) { try await TreeExchange.serve(server, store: there) }
    }
}

private func decoded(_ message: [UInt8]) -> TransferMessage? {
    do { return try TransferMessage.decode(message) } catch { return nil }
}
