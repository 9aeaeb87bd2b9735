import Codec
import Mesh
import Ring

/// The blobs of this node, reached from the loop: every operation runs on the store's own thread.
///
/// A manifest is a blob too, under the root of its tree.
final class TreeStore: Sendable {
    private let thread: DedicatedThread
    private let store: Confined<BlobStore>

    /// A value that is touched on one thread only.
    private final class Confined<Value>: @unchecked Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    init(path: String) throws {
        let blobs = try BlobStore(path: path)
        try blobs.removeLeftovers()
        store = Confined(blobs)
        thread = try DedicatedThread("blobs")
    }

    func perform<Value: Sendable>(_ work: @escaping @Sendable (BlobStore) throws -> Value) async throws -> Value {
        let store = store
        return try await thread.perform { Result { try work(store.value) } }.get()
    }

    /// Ends the thread behind what it was given; later work is refused.
    func finish() { thread.finish() }

    /// The manifest of a tree, nil if it is not here.
    func manifestIfPresent(_ root: Digest) async throws -> Manifest? {
        try await perform { $0.has(root) ? try $0.manifest(root) : nil }
    }

    /// Whether the tree is here, whole.
    func holds(_ root: Digest) async throws -> Bool {
        try await perform { store in
            guard store.has(root) else { return false }
            return store.missing(try store.manifest(root).chunks).isEmpty
        }
    }
}
