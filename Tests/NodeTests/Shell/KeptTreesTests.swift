import Foundation
import Testing

@testable import GPUBackend
@testable import Node

@Suite("Trees that are kept")
struct KeptTreesTests {
    private let root: String
    private let store: KeptTrees

    init() throws {
        root = FileManager.default.temporaryDirectory.path + "/swarmlet-setups-" + UUID().uuidString
        for name in ["setups", "source", "next"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        store = KeptTrees(path: root + "/setups", boot: "this")
        try Data("made".utf8).write(to: URL(fileURLWithPath: root + "/source/made"))
    }

    private func keep(_ key: String) throws {
        let source = root + "/source"
        _ = try store.keep(key, job: 7) { (place, bytesMax) throws(HostError) -> UInt64 in
            var copy = TreeCopy(bytesMax: bytesMax)
            try copy.run(from: source, into: place)
            return copy.bytes
        }
    }

    @Test("what is kept is put back whole, and nothing that was cut short is found")
    func found() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        #expect(store.find("a") == nil)
        try keep("a")
        #expect(store.find("a")?.job == 7)
        #expect(try String(contentsOfFile: store.files("a") + "/made", encoding: .utf8) == "made")
        try FileManager.default.createDirectory(atPath: root + "/setups/new-b/files", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: root + "/setups/c/files", withIntermediateDirectories: true)
        #expect(store.find("b") == nil && store.find("c") == nil)
        #expect(try store.trim(keeping: [], now: Int(Date().timeIntervalSince1970)) == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/setups") == ["a"])
    }

    @Test("what was not on the disk when the host went down does not count, what was does")
    func crashed() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try keep("a")
        try keep("b")
        try store.settle("b")
        let later = KeptTrees(path: store.path, boot: "next")
        #expect(later.find("a") == nil)
        #expect(later.find("b") != nil)
    }

    @Test("one that failed to be kept leaves nothing")
    func failed() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        truncate(root + "/source/made", 1 << 43)
        #expect(throws: HostError.self) { try keep("a") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/setups").isEmpty)
    }

    @Test("what nobody used for two weeks goes, unless it is used just now")
    func old() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        for key in ["a", "b"] { try keep(key) }
        let later = Int(Date().timeIntervalSince1970) + KeptTrees.unusedSeconds + 60
        #expect(try store.trim(keeping: ["b"], now: later) == 1)
        #expect(store.find("a") == nil && store.find("b") != nil)
    }
}
