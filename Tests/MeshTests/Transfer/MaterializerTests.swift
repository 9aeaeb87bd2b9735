import Codec
import Foundation
import Testing

@testable import Mesh

@Suite("Building a tree from a manifest")
struct MaterializerTests {
    private func setUp() throws -> (TemporaryDirectory, BlobStore) {
        let directory = try TemporaryDirectory()
        return (directory, try BlobStore(path: directory.path("blobs")))
    }

    @Test("a scanned tree is built again with the same root")
    func roundTrip() throws {
        let (directory, store) = try setUp()
        try directory.write("in/a/b/c.txt", text: "hello")
        try directory.write("in/a-b")
        try directory.write("in/run.sh", mode: 0o755)
        try directory.write("in/big", [UInt8](repeating: 5, count: (4 << 20) + 1))
        try directory.write("in/nothing", [])
        try directory.makeDirectory("in/empty")
        try directory.link("in/a/l", to: "b/c.txt")
        let scan = try DirectoryScanner().scan(directory.path("in"), into: store)
        try Materializer(store: store).write(
            scan.manifest, into: directory.path("out"), owner: .init(userID: getuid(), groupID: getgid()),
            durability: .synced)
        #expect(try DirectoryScanner().scan(directory.path("out")).manifest == scan.manifest)
        #expect(directory.read("out/a/b/c.txt") == Array("hello".utf8))
        #expect(directory.isExecutable("out/run.sh"))
        #expect(directory.target("out/a/l") == "b/c.txt")
        #expect(directory.exists("out/empty"))
    }

    @Test("into an existing directory: files are replaced, others stay, and what is in the way is named")
    func existing() throws {
        let (directory, store) = try setUp()
        try directory.write("in/a/f", [1])
        try directory.write("in/g", [2])
        let manifest = try DirectoryScanner().scan(directory.path("in"), into: store).manifest
        try directory.write("out/a/f", [9])
        try directory.write("out/a/other", [8])
        try Materializer(store: store).write(manifest, into: directory.path("out"))
        #expect(directory.read("out/a/f") == [1])
        #expect(directory.read("out/a/other") == [8])
        try directory.makeDirectory("two/g/x")
        #expect(throws: TransferError.inTheWay(directory.path("two/g"))) {
            try Materializer(store: store).write(manifest, into: directory.path("two"))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path("two"))
        #expect(!left.contains { $0.hasPrefix(".swarmlet-") })
        try directory.write("three/a", [7])
        #expect(throws: TransferError.inTheWay(directory.path("three/a"))) {
            try Materializer(store: store).write(manifest, into: directory.path("three"))
        }
    }

    @Test("no symbolic link in the target leads a write out of it")
    func symlinkTricks() throws {
        let (directory, store) = try setUp()
        try directory.write("in/a/f", [1])
        try directory.write("in/g", [2])
        let manifest = try DirectoryScanner().scan(directory.path("in"), into: store).manifest
        try directory.write("victim/f", [9])
        try directory.makeDirectory("out")
        try directory.link("out/a", to: directory.path("victim"))
        #expect(throws: TransferError.inTheWay(directory.path("out/a"))) {
            try Materializer(store: store).write(manifest, into: directory.path("out"))
        }
        #expect(directory.read("victim/f") == [9])
        // A link in place of a file is replaced itself; what it points to is left alone.
        try directory.makeDirectory("two")
        try directory.link("two/g", to: directory.path("victim/f"))
        try Materializer(store: store).write(manifest, into: directory.path("two"))
        #expect(directory.read("victim/f") == [9])
        #expect(directory.read("two/g") == [2])
        #expect(directory.target("two/g") == nil)
    }

    @Test("nothing is written while content is missing, and damaged content is never written")
    func missing() throws {
        let (directory, store) = try setUp()
        let entry = ManifestTests.file("a", [1, 2])
        let manifest = try Manifest(entries: [entry])
        #expect(throws: TransferError.blobMissing(BLAKE3.hash([1, 2]))) {
            try Materializer(store: store).write(manifest, into: directory.path("out"))
        }
        #expect(!directory.exists("out"))
        let digest = try store.put([1, 2])
        try store.commit()
        try directory.write("blobs/\(digest.hex.prefix(2))/\(digest.hex)", [1, 3])
        #expect(throws: TransferError.blobDamaged(digest)) {
            try Materializer(store: store).write(manifest, into: directory.path("out"))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path("out")).isEmpty)
    }

    @Test("a file whose chunks are shorter than the manifest says is refused")
    func lyingSize() throws {
        let (directory, store) = try setUp()
        let digest = try store.put([1, 2])
        let file = Manifest.File(byteCount: 3, isExecutable: false, chunks: [digest])
        let manifest = try Manifest(entries: [Manifest.Entry(path: "a", content: .file(file))])
        #expect(throws: TransferError.chunksMismatch("a")) {
            try Materializer(store: store).write(manifest, into: directory.path("out"))
        }
    }

    @Test("a manifest larger than the free space is refused before anything is written")
    func space() throws {
        let (directory, store) = try setUp()
        // The content that the manifest promises is one chunk, a million times over: 4 TiB.
        let digest = try store.put([1])
        let file = Manifest.File(
            byteCount: 4 << 40, isExecutable: false, chunks: [Digest](repeating: digest, count: 1 << 20))
        let manifest = try Manifest(entries: [Manifest.Entry(path: "a", content: .file(file))])
        let error = #expect(throws: TransferError.self) {
            try Materializer(store: store).write(manifest, into: directory.path("out"))
        }
        #expect(error?.code == "files.disk")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path("out")).isEmpty)
    }
}
