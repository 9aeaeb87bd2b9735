import Codec
import Foundation
import Testing

@testable import Mesh

@Suite("Scanning a working directory")
struct DirectoryScannerTests {
    private func paths(_ result: DirectoryScanner.Result) -> [String] { result.manifest.entries.map(\.path) }

    @Test("secrets, environments and repositories stay, and what stays is reported largest first")
    func neverSent() throws {
        let directory = try TemporaryDirectory()
        try directory.write("train.py")
        try directory.write("data/big.bin", [UInt8](repeating: 1, count: 5000))
        try directory.write(".gitignore", text: "data/\n")
        try directory.write(".git/HEAD", [UInt8](repeating: 1, count: 50))
        try directory.write(".venv/lib/x", [UInt8](repeating: 1, count: 3000))
        try directory.write("sub/node_modules/m.js", [1, 2])
        for name in [".env", ".env.local", "key.pem", "id_rsa", "__pycache__/a.pyc"] { try directory.write(name) }
        let result = try DirectoryScanner().scan(directory.path)
        #expect(paths(result) == [".gitignore", "sub", "train.py"])
        #expect(result.ignored.prefix(3).map(\.path) == ["data", ".venv", ".git"])
        #expect(result.ignored.prefix(3).map(\.byteCount) == [5000, 3000, 50])
        #expect(result.ignored.prefix(3).map(\.isNeverSent) == [false, true, true])
        #expect(result.ignored.map(\.path).sorted().contains("sub/node_modules"))
        #expect(result.ignored.count == 9)
    }

    @Test("files that hold a token or an invitation stay, whatever they are called, unless they are named")
    func tokens() throws {
        let directory = try TemporaryDirectory()
        try directory.write("kim.txt", text: "swa1.AAAA\n")
        try directory.write("lab", text: "swm1.AAAA\n")
        try directory.write("about.md", text: "a token begins with swa1.\n")
        let result = try DirectoryScanner().scan(directory.path)
        #expect(paths(result) == ["about.md"])
        #expect(result.ignored.map(\.isNeverSent) == [true, true])
        #expect(paths(try DirectoryScanner(named: ["lab"]).scan(directory.path)) == ["about.md", "lab"])
    }

    @Test("what is named travels, and nothing else beside it in a directory that stays")
    func named() throws {
        let directory = try TemporaryDirectory()
        try directory.write(".gitignore", text: "data/\n*.bin\n")
        try directory.write("data/small/a.bin")
        try directory.write("data/big.txt")
        try directory.write(".env")
        let result = try DirectoryScanner(named: ["./data/small", ".env"]).scan(directory.path)
        #expect(paths(result) == [".env", ".gitignore", "data", "data/small", "data/small/a.bin"])
        #expect(result.ignored.map(\.path) == ["data/big.txt"])
    }

    @Test(".swarmletignore adds to .gitignore, and its ! sends what git ignores or what is never sent")
    func ownRules() throws {
        let directory = try TemporaryDirectory()
        try directory.write(".gitignore", text: "*.npz\n!.env.example\n")
        try directory.write(".swarmletignore", text: "!keep.npz\n!.env.job\nnotes\n")
        for name in ["a.npz", "keep.npz", ".env.job", ".env.example", "notes"] { try directory.write(name) }
        let result = try DirectoryScanner().scan(directory.path)
        // To share .env.example with git does not mean that a job may take it along.
        #expect(paths(result) == [".env.job", ".gitignore", ".swarmletignore", "keep.npz"])
    }

    @Test("rules of the repository above hold in a directory below it")
    func rulesAbove() throws {
        let directory = try TemporaryDirectory()
        try directory.makeDirectory(".git")
        try directory.write(".gitignore", text: "*.ckpt\n/work/out\n")
        try directory.write("work/a.ckpt")
        try directory.write("work/out/x")
        try directory.write("work/b.py")
        #expect(paths(try DirectoryScanner().scan(directory.path("work"))) == ["b.py"])
    }

    @Test("symbolic links inside travel as links; one that leads out is an error that names it")
    func links() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a/f")
        try directory.link("a/l", to: "f")
        try directory.link("d", to: "a")
        let result = try DirectoryScanner().scan(directory.path)
        #expect(result.manifest.entry(at: "a/l")?.content == .symlink(target: "f"))
        #expect(result.manifest.entry(at: "d")?.content == .symlink(target: "a"))
        try directory.link("data", to: "/mnt/data")
        let error = #expect(throws: TransferError.self) { try DirectoryScanner().scan(directory.path) }
        #expect(error == .symlinkOut(path: "data", target: "/mnt/data"))
        #expect(error?.code == "files.symlink_out")
        #expect(error?.hint.contains(".swarmletignore") == true)
        try directory.write(".swarmletignore", text: "data\n")
        _ = try DirectoryScanner().scan(directory.path)
    }

    @Test("a pipe is refused by name and never waited for; a missing or unreadable place is named")
    func special() throws {
        let directory = try TemporaryDirectory()
        #expect(mkfifo(directory.path("pipe"), 0o600) == 0)
        #expect(throws: TransferError.special(directory.path("pipe"), "named pipe")) {
            try DirectoryScanner().scan(directory.path)
        }
        #expect(throws: TransferError.notFound(directory.path("none"))) {
            try DirectoryScanner().scan(directory.path("none"))
        }
        try directory.write("file")
        #expect(throws: TransferError.notDirectory(directory.path("file"))) {
            try DirectoryScanner().scan(directory.path("file"))
        }
    }

    @Test("a file that its owner made unreadable is named", .enabled(if: geteuid() != 0, "root reads everything"))
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        try directory.write("secret", mode: 0o000)
        let error = #expect(throws: TransferError.self) { try DirectoryScanner().scan(directory.path) }
        #expect(error?.code == "files.unreadable")
        #expect(error?.message.contains("secret") == true)
    }

    @Test("a name that is not UTF-8 is refused where it would travel")
    func nameNotText() throws {
        let directory = try TemporaryDirectory()
        let path = Array(directory.path.utf8CString.dropLast()) + [0x2F, CChar(bitPattern: 0xFF), 0]
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        #expect(file >= 0)
        close(file)
        let error = #expect(throws: TransferError.self) { try DirectoryScanner().scan(directory.path) }
        #expect(error?.code == "files.name_not_text")
    }

    @Test("a large file is cut into chunks, and a chunk that changed since the scan is refused")
    func chunks() throws {
        let directory = try TemporaryDirectory()
        var content = [UInt8](repeating: 3, count: (4 << 20) + 10)
        try directory.write("big", content)
        try directory.write("empty", [])
        let result = try DirectoryScanner().scan(directory.path)
        guard case .file(let file)? = result.manifest.entry(at: "big")?.content else {
            Issue.record("no file")
            return
        }
        #expect(file.chunks.count == 2)
        #expect(file.chunks[1] == BLAKE3.hash([UInt8](repeating: 3, count: 10)))
        #expect(try result.sources.read(file.chunks[1]) == [UInt8](repeating: 3, count: 10))
        #expect(throws: TransferError.blobMissing(.zero)) { try result.sources.read(.zero) }
        content[4 << 20] = 10
        try directory.write("big", content)
        #expect(throws: TransferError.changed(directory.path("big"))) { try result.sources.read(file.chunks[1]) }
    }

    @Test("the same tree gives the same root, a changed bit or mode another")
    func roots() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a/x", [1, 2, 3])
        try directory.write("run.sh", mode: 0o755)
        let first = try DirectoryScanner().scan(directory.path).manifest.root
        #expect(try DirectoryScanner().scan(directory.path).manifest.root == first)
        try directory.write("run.sh", mode: 0o644)
        #expect(try DirectoryScanner().scan(directory.path).manifest.root != first)
    }
}
