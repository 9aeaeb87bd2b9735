import Codec
import Foundation
import Testing

@testable import GPUBackend

@Suite("A checkpoint is taken when it is complete, and once")
struct CheckpointWatcherTests {
    private func file(_ path: String, size: UInt64 = 10, modified: Int64 = 1, inode: UInt64 = 1) -> FileFacts {
        FileFacts(path: path, size: size, modifiedAt: modified, inode: inode)
    }

    private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    private func watcher(takesAll: Bool = false, every: Interval = .zero) -> CheckpointWatcher {
        CheckpointWatcher(rules: CheckpointRules(takesAll: takesAll, every: every, patience: .seconds(1)))
    }

    @Test("one look is not enough, two that agree are, and the same set is not taken again")
    func twoLooks() {
        var watcher = watcher()
        let listing = [file("model.pt")]
        #expect(watcher.look(listing, at: at(0)) == nil)
        #expect(watcher.look(listing, at: at(50)) == nil)
        #expect(watcher.look(listing, at: at(100))?.files == listing)
        #expect(watcher.look(listing, at: at(5000)) == nil)
    }

    @Test("what lies there when the job has ended is taken at once, however soon after the last, and once")
    func lastLook() {
        var watcher = watcher(every: .seconds(60))
        _ = watcher.look([file("a.pt")], at: at(0))
        #expect(watcher.look([file("a.pt")], at: at(100)) != nil)
        #expect(watcher.lookLast([file("a.pt")]) == nil)
        let saved = [file("a.pt", modified: 2), file("b.tmp", inode: 3)]
        #expect(watcher.look(saved, at: at(150)) == nil)
        #expect(watcher.lookLast(saved)?.files == [file("a.pt", modified: 2)])
        #expect(watcher.lookLast(saved) == nil)
    }

    @Test("a file that is being written holds back the whole set")
    func writing() {
        var watcher = watcher()
        for step in 0..<20 {
            let listing = [file("a.pt"), file("b.pt", size: UInt64(step), modified: Int64(step), inode: 2)]
            #expect(watcher.look(listing, at: at(Int64(step) * 100)) == nil)
        }
        let last = [file("a.pt"), file("b.pt", size: 19, modified: 19, inode: 2)]
        #expect(watcher.look(last, at: at(2000))?.files.count == 2)
    }

    @Test("a temporary file that still changes holds the set back, and is never part of it")
    func temporary() {
        var watcher = watcher()
        #expect(watcher.look([file("a.pt"), file("b.pt.tmp", size: 1, inode: 2)], at: at(0)) == nil)
        #expect(watcher.look([file("a.pt"), file("b.pt.tmp", size: 2, inode: 2)], at: at(100)) == nil)
        let renamed = [file("a.pt"), file("b.pt", size: 2, inode: 2)]
        #expect(watcher.look(renamed, at: at(200)) == nil)
        #expect(watcher.look(renamed, at: at(300))?.files == renamed)
    }

    @Test("a file replaced by another of the same size and time is new")
    func replaced() {
        var watcher = watcher()
        _ = watcher.look([file("a.pt")], at: at(0))
        #expect(watcher.look([file("a.pt")], at: at(100)) != nil)
        #expect(watcher.look([file("a.pt", inode: 9)], at: at(200)) == nil)
        #expect(watcher.look([file("a.pt", inode: 9)], at: at(300)) != nil)
    }

    @Test("checkpoints keep the interval that was asked for")
    func interval() {
        var watcher = watcher(every: .seconds(2))
        var taken: [Int64] = []
        for time in stride(from: Int64(0), to: 10_000, by: 100) {
            // A new file every half second.
            let generation = UInt64(time / 500)
            if watcher.look([file("a.pt", inode: generation)], at: at(time)) != nil { taken.append(time) }
        }
        #expect(taken.count == 5)
        #expect(zip(taken, taken.dropFirst()).allSatisfy { $1 - $0 >= 2000 })
    }

    @Test("with an interval every file counts but temporary ones; without, only those of the patterns")
    func names() {
        let listing = [
            file("model.npz"), file("config.json", inode: 2), file(".hidden", inode: 3), file("x.tmp", inode: 4),
        ]
        var all = watcher(takesAll: true)
        _ = all.look(listing, at: at(0))
        #expect(all.look(listing, at: at(100))?.files.map(\.path) == ["config.json", "model.npz"])
        var some = watcher()
        _ = some.look(listing, at: at(0))
        #expect(some.look(listing, at: at(100)) == nil)
    }

    @Test("a log that grows without rest is left out after a while, and the rest is taken")
    func growingLog() {
        var watcher = watcher(takesAll: true)
        var taken: [(time: Int64, paths: [String])] = []
        for time in stride(from: Int64(0), to: 3000, by: 50) {
            let log = file("train.log", size: UInt64(time), modified: time, inode: 2)
            if let set = watcher.look([file("model.npz"), log], at: at(time)) {
                taken.append((time, set.files.map(\.path)))
            }
        }
        #expect(taken.map(\.paths) == [["model.npz"]])
        #expect(taken.allSatisfy { $0.time >= 1000 })
    }

    @Test("an empty directory, and one whose files are gone, is no checkpoint")
    func empty() {
        var watcher = watcher()
        for time in [0, 100, 200] as [Int64] { #expect(watcher.look([], at: at(time)) == nil) }
        _ = watcher.look([file("a.pt")], at: at(300))
        #expect(watcher.look([file("a.pt")], at: at(400)) != nil)
        for time in [500, 600, 700] as [Int64] { #expect(watcher.look([], at: at(time)) == nil) }
    }

    @Test(
        "what an attempt began from is not taken as its own checkpoint, and a set that could not be read is tried again"
    )
    func begunFrom() throws {
        let rules = CheckpointRules(every: .zero)
        let listing = [file("a.pt")]
        var watcher = CheckpointWatcher(rules: rules, taken: CheckpointWatcher.set(of: listing, rules: rules))
        _ = watcher.look(listing, at: at(0))
        #expect(watcher.look(listing, at: at(200)) == nil)
        let next = [file("a.pt", modified: 2)]
        _ = watcher.look(next, at: at(300))
        let found = watcher.look(next, at: at(400))
        let set = try #require(found)
        #expect(set.isUnchanged(in: next) && !set.isUnchanged(in: listing))
        watcher.retract(set)
        #expect(watcher.look(next, at: at(500)) == set)
    }

    @Test(
        "patterns match as in a shell",
        arguments: [
            ("model.pt", "*.pt", true), ("model.pt2", "*.pt", false), ("a", "*", true), ("", "*", true),
            ("step-100.ckpt", "step-???.ckpt", true), ("step-1000.ckpt", "step-???.ckpt", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*a*a*c", false),
        ])
    func patterns(name: String, pattern: String, matches: Bool) {
        #expect(CheckpointRules.matches(Array(name.utf8)[...], Array(pattern.utf8)[...]) == matches)
    }

    @Test("a scan lists regular files below the directory, and follows no links")
    func scan() throws {
        let root = NSTemporaryDirectory() + "swarmlet-scan-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root + "/sub", withIntermediateDirectories: true)
        try Data("12345".utf8).write(to: URL(fileURLWithPath: root + "/sub/a.pt"))
        try FileManager.default.createSymbolicLink(atPath: root + "/link", withDestinationPath: "/etc")
        let found = try DirectoryScanner.list(root)
        #expect(found.map(\.path) == ["sub/a.pt"])
        #expect(found.first?.size == 5)
        #expect(try DirectoryScanner.list(root + "/none").isEmpty)
    }
}
