import Codec
import Foundation
import Testing

@testable import Mesh

@Suite("Collecting results")
struct TreeCollectorTests {
    private func collect(_ directory: TemporaryDirectory, _ patterns: [String]) throws -> TreeCollector.Result {
        let store = try BlobStore(path: directory.path("blobs"))
        return try TreeCollector(patterns: patterns).collect(directory.path("job"), into: store)
    }

    private func sample() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for name in ["model.npz", "train.py", "result/a.txt", "result/deep/b.txt", "logs/x.log", "logs/y/z.log"] {
            try directory.write("job/" + name)
        }
        return directory
    }

    @Test(
        "patterns take what they name, with its directories, and nothing else",
        arguments: [
            (["model.npz"], ["model.npz"]),
            (["result/*"], ["result", "result/a.txt", "result/deep", "result/deep/b.txt"]),
            (["result/*.txt"], ["result", "result/a.txt"]),
            (["/result/a.txt"], ["result", "result/a.txt"]),
            (["result"], ["result", "result/a.txt", "result/deep", "result/deep/b.txt"]),
            (["./result/"], ["result", "result/a.txt", "result/deep", "result/deep/b.txt"]),
            (["**/*.log"], ["logs", "logs/x.log", "logs/y", "logs/y/z.log"]),
            (["*.npz", "logs/y"], ["logs", "logs/y", "logs/y/z.log", "model.npz"]),
        ])
    func patterns(patterns: [String], expected: [String]) throws {
        let result = try collect(sample(), patterns)
        #expect(result.manifest.entries.map(\.path) == expected)
        #expect(result.unmatched.isEmpty)
    }

    @Test("no pattern takes all; a pattern that fits nothing, or climbs out, is reported")
    func unmatched() throws {
        let directory = try sample()
        #expect(try collect(directory, []).manifest.fileCount == 6)
        let result = try collect(directory, ["model.npz", "none/*", "../blobs"])
        #expect(result.manifest.entries.map(\.path) == ["model.npz"])
        #expect(result.unmatched == ["none/*", "../blobs"])
    }

    @Test("links out of the tree, pipes and odd names are left out and reported, links inside are kept")
    func skipped() throws {
        let directory = try sample()
        try directory.link("job/result/secret", to: "/etc/shadow")
        try directory.link("job/result/up", to: "../../blobs")
        try directory.link("job/result/latest", to: "deep/b.txt")
        try directory.link("job/result/dir", to: "/etc")
        #expect(mkfifo(directory.path("job/result/pipe"), 0o600) == 0)
        let result = try collect(directory, ["result"])
        #expect(result.manifest.entry(at: "result/latest")?.content == .symlink(target: "deep/b.txt"))
        #expect(result.skipped.map(\.path).sorted() == ["result/dir", "result/pipe", "result/secret", "result/up"])
    }

    @Test("what was collected can be written where the job was started")
    func roundTrip() throws {
        let directory = try sample()
        let store = try BlobStore(path: directory.path("blobs"))
        let result = try TreeCollector(patterns: ["result/*"]).collect(directory.path("job"), into: store)
        try store.commit()
        try directory.write("home/other")
        try Materializer(store: store).write(result.manifest, into: directory.path("home"))
        #expect(directory.read("home/result/deep/b.txt") == [1])
    }
}
