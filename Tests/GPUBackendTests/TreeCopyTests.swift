import Foundation
import Testing

@testable import GPUBackend

@Suite("Copies of what jobs left")
struct TreeCopyTests {
    private let root: String
    private var source: String { root + "/source" }
    private var target: String { root + "/target" }

    init() throws {
        root = FileManager.default.temporaryDirectory.path + "/swarmlet-copy-" + UUID().uuidString
        for name in ["source/sent/deep", "source/env/bin", "source/ckpt", "target"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        try write("sent/main.py", "sent")
        try write("sent/deep/made", "made")
        try write("env/lib", String(repeating: "x", count: 300_000))
        try write("ckpt/1", "1")
        symlink("/usr/bin/python3", source + "/env/bin/python")
        mkfifo(source + "/env/pipe", 0o600)
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(source)/\(name)"))
    }

    private func names(_ path: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
    }

    @Test("what was sent and what is left out is not copied, links stay links, pipes are passed over")
    func kept() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        chmod(source + "/env/lib", 0o4750)
        var copy = TreeCopy()
        copy.known = ["sent", "sent/main.py", "sent/deep", "empty"]
        copy.leftOut = ["ckpt"]
        try FileManager.default.createDirectory(atPath: source + "/empty", withIntermediateDirectories: true)
        try copy.run(from: source, into: target)
        #expect(
            try names(target) == [
                "env", "env/bin", "env/bin/python", "env/lib", "sent", "sent/deep", "sent/deep/made",
            ])
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: target + "/env/bin/python") == "/usr/bin/python3")
        var facts = stat()
        var before = stat()
        stat(target + "/env/lib", &facts)
        stat(source + "/env/lib", &before)
        #expect(facts.st_mode & 0o7777 == 0o750)
        #expect(facts.st_size == 300_000 && facts.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
        #expect(copy.bytes >= 300_000)
    }

    @Test("what stands in the target already stays, a file in the place of a directory too")
    func stays() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try Data("mine".utf8).write(to: URL(fileURLWithPath: target + "/env"))
        try FileManager.default.createDirectory(atPath: target + "/sent", withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: target + "/sent/main.py"))
        var copy = TreeCopy()
        try copy.run(from: source, into: target)
        #expect(try String(contentsOfFile: target + "/env", encoding: .utf8) == "mine")
        #expect(try String(contentsOfFile: target + "/sent/main.py", encoding: .utf8) == "mine")
        #expect(try String(contentsOfFile: target + "/sent/deep/made", encoding: .utf8) == "made")
    }

    @Test("a link in the target leads no copy out of it")
    func links() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root + "/outside", withIntermediateDirectories: true)
        symlink(root + "/outside", target + "/env")
        symlink(root + "/outside/file", target + "/sent")
        var copy = TreeCopy()
        try copy.run(from: source, into: target)
        #expect(try names(root + "/outside").isEmpty)
    }

    @Test("more than was allowed is refused, holes count as what they seem")
    func bounded() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        truncate(source + "/env/lib", 1 << 40)
        var copy = TreeCopy(bytesMax: 1 << 20)
        #expect(throws: HostError.system(operation: "copy", path: "env/lib", errorNumber: EFBIG)) {
            try copy.run(from: source, into: target)
        }
        var few = TreeCopy(entriesMax: 2)
        #expect(throws: HostError.self) { try few.run(from: source, into: target) }
    }
}
