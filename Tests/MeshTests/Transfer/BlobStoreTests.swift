import Codec
import Foundation
import Testing

@testable import Mesh

@Suite("The blob store")
struct BlobStoreTests {
    @Test("what is put can be read, whole or in part, and is there once")
    func putAndRead() throws {
        let directory = try TemporaryDirectory()
        let store = try BlobStore(path: directory.path("blobs"))
        let digest = try store.put([1, 2, 3, 4])
        #expect(store.has(digest))
        #expect(try store.read(digest) == [1, 2, 3, 4])
        try store.commit()
        try store.put([1, 2, 3, 4])
        try store.commit()
        #expect(try store.read(digest, offset: 1, count: 2) == [2, 3])
        #expect(try store.read(digest, offset: 3, count: 9) == [4])
        #expect(try store.byteCount(digest) == 4)
        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: directory.path("blobs"))) == [
                "incoming", String(digest.hex.prefix(2)),
            ])
    }

    @Test("content is seen by others only after commit, and is gone when its store goes before")
    func commit() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("blobs")
        let other = try BlobStore(path: path)
        let digest = BLAKE3.hash([5])
        do {
            let store = try BlobStore(path: path)
            try store.put([5], as: digest)
            #expect(!other.has(digest))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/incoming").isEmpty)
        let store = try BlobStore(path: path)
        try store.put([5], as: digest)
        try store.commit()
        #expect(other.has(digest))
        #expect(other.missing([BLAKE3.hash([6]), digest]) == [BLAKE3.hash([6])])
    }

    @Test("content with another digest is not kept, and content damaged on disk is found and removed")
    func damage() throws {
        let directory = try TemporaryDirectory()
        let store = try BlobStore(path: directory.path("blobs"))
        #expect(throws: TransferError.blobDamaged(BLAKE3.hash([1]))) { try store.put([2], as: BLAKE3.hash([1])) }
        let digest = try store.put([1, 2, 3])
        try store.commit()
        try directory.write("blobs/\(digest.hex.prefix(2))/\(digest.hex)", [1, 2, 4])
        #expect(throws: TransferError.blobDamaged(digest)) { try store.read(digest) }
        #expect(throws: TransferError.blobMissing(digest)) { try store.read(digest) }
        try store.put([1, 2, 3])
        #expect(try store.read(digest) == [1, 2, 3])
    }

    @Test("a collection removes what is not kept and was not used of late")
    func collect() throws {
        let directory = try TemporaryDirectory()
        let store = try BlobStore(path: directory.path("blobs"))
        let kept = try store.put([1])
        let unused = try store.put([2, 2])
        let fresh = try store.put([3])
        try store.commit()
        let past = Date(timeIntervalSinceNow: -1000)
        for digest in [kept, unused, fresh] {
            try FileManager.default.setAttributes(
                [.modificationDate: past],
                ofItemAtPath: directory.path("blobs/\(digest.hex.prefix(2))/\(digest.hex)"))
        }
        // To be asked for is to be used: the asker will rely on the answer.
        #expect(store.has(fresh))
        let removed = try store.collect(keeping: [kept], unusedSince: Int(past.timeIntervalSince1970) + 10)
        #expect(removed == (1, 2))
        #expect(store.missing([kept, unused, fresh]) == [unused])
    }

    @Test("more blobs than one batch holds are committed on the way")
    func batches() throws {
        let directory = try TemporaryDirectory()
        let store = try BlobStore(path: directory.path("blobs"))
        let digests = try (0..<1500).map { try store.put([UInt8($0 % 256), UInt8($0 / 256)]) }
        try store.commit()
        #expect(try BlobStore(path: directory.path("blobs")).missing(digests).isEmpty)
    }

    @Test("a manifest is kept under its root")
    func manifest() throws {
        let directory = try TemporaryDirectory()
        let store = try BlobStore(path: directory.path("blobs"))
        let manifest = try Manifest(entries: [ManifestTests.file("a")])
        #expect(try store.put(manifest) == manifest.root)
        #expect(try store.manifest(manifest.root) == manifest)
    }
}
