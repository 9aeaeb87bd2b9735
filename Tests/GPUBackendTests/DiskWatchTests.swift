import Codec
import Foundation
import Glibc
import Testing

@testable import GPUBackend

@Suite("What an attempt keeps on disk") struct DiskWatchTests {
    private let root = NSTemporaryDirectory() + "disk-watch-\(UInt64.random(in: 0...(.max)))"

    /// Looks until a whole round is done, in time that passes as fast as it is asked for.
    private func finding(_ watch: DiskWatch, rounds: Int = 1) -> DiskWatch.Finding {
        var now = Instant(nanoseconds: 1)
        var last = now
        var steps = 0
        while true {
            guard case .within(let next) = watch.look(below: getpid(), now: now) else { return .above }
            steps += 1
            // The end of a round is what is followed by a long pause.
            if next - now >= .seconds(1) { return .within(next) }
            last = now
            now = next
            guard steps < 10_000, now > last else { return .within(next) }
        }
    }

    private func isAbove(_ limit: UInt64) -> Bool { finding(DiskWatch(root, limit: limit)) == .above }

    private func write(_ path: String, mebibytes: Int) throws {
        let data = Data((0..<(mebibytes << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try data.write(to: URL(fileURLWithPath: "\(root)/\(path)"))
    }

    private func made(_ body: () throws -> Void) throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body()
    }

    @Test("bytes below the directory count, however deep, and those of links do not")
    func bytes() throws {
        try made {
            let deep = (0..<40).map { "d\($0)" }.joined(separator: "/")
            try FileManager.default.createDirectory(atPath: "\(root)/\(deep)", withIntermediateDirectories: true)
            try write("\(deep)/file", mebibytes: 4)
            try FileManager.default.createSymbolicLink(atPath: "\(root)/out", withDestinationPath: "/usr")
            #expect(isAbove(3 << 20))
            #expect(!isAbove(6 << 20))
        }
    }

    @Test("a file of several names counts once, and one that only says it is large for what it takes")
    func names() throws {
        try made {
            try write("file", mebibytes: 4)
            for number in 0..<20 {
                try FileManager.default.linkItem(atPath: "\(root)/file", toPath: "\(root)/link\(number)")
            }
            #expect(truncate("\(root)/file", 4 << 20) == 0)
            FileManager.default.createFile(atPath: "\(root)/sparse", contents: nil)
            #expect(truncate("\(root)/sparse", 1 << 40) == 0)
            #expect(isAbove(3 << 20))
            #expect(!isAbove(6 << 20))
        }
    }

    @Test("empty files count, too: there are so many for each limit and no more")
    func inodes() throws {
        try made {
            for number in 0..<10_001 { close(open("\(root)/\(number)", O_CREAT | O_WRONLY, 0o600)) }
            #expect(isAbove(1 << 20))
            #expect(!isAbove(16_384 * 20_000))
        }
    }

    @Test("what is deleted and kept open counts until it is closed")
    func deleted() throws {
        try made {
            try write("file", mebibytes: 4)
            let file = open("\(root)/file", O_RDWR)
            unlink("\(root)/file")
            #expect(isAbove(3 << 20))
            close(file)
            #expect(!isAbove(3 << 20))
        }
    }

    @Test("a step looks at a bounded number of names, and rounds go on from where they were")
    func steps() throws {
        try made {
            for number in 0..<3_000 { close(open("\(root)/\(number)", O_CREAT | O_WRONLY, 0o600)) }
            let watch = DiskWatch(root, limit: 1 << 30)
            let start = Instant(nanoseconds: 1)
            guard case .within(let next) = watch.look(below: getpid(), now: start) else {
                Issue.record("it is within its limit")
                return
            }
            #expect(next - start == .milliseconds(20))
            #expect(watch.look(below: getpid(), now: start) == .within(next), "not before its time")
        }
    }

    @Test("a directory elsewhere counts together with the working directory, by whatever name it was given")
    func elsewhere() throws {
        try made {
            for name in ["directory", "directory/inside", "there", "there/deep"] {
                try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
            }
            try FileManager.default.createSymbolicLink(atPath: "\(root)/link", withDestinationPath: "\(root)/there")
            try write("directory/file", mebibytes: 2)
            try write("directory/inside/file", mebibytes: 1)
            try write("there/deep/file", mebibytes: 3)
            func isAbove(_ limit: UInt64, _ others: [String]) -> Bool {
                finding(DiskWatch("\(root)/directory", others: others.map { "\(root)/\($0)" }, limit: limit)) == .above
            }
            #expect(isAbove(5 << 20, ["there"]) && !isAbove(7 << 20, ["there"]))
            #expect(isAbove(5 << 20, ["link"]) && !isAbove(7 << 20, ["link"]))
            #expect(!isAbove(5 << 20, []))
            #expect(!isAbove(4 << 20, ["directory/inside"]), "what is below the working directory counts once")
            // Whatever else there is on top of it.
            let file = open("\(root)/directory/gone", O_RDWR | O_CREAT, 0o600)
            #expect(ftruncate(file, 0) == 0 && Glibc.write(file, [1, 2, 3], 3) == 3 && fsync(file) == 0)
            unlink("\(root)/directory/gone")
            #expect(isAbove(1 << 40, ["missing"]), "what cannot be looked into counts as too much")
            close(file)
        }
    }

    @Test("what is deleted and kept open elsewhere counts")
    func deletedElsewhere() throws {
        try made {
            try FileManager.default.createDirectory(atPath: "\(root)/there", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: "\(root)/directory", withIntermediateDirectories: true)
            try write("there/file", mebibytes: 4)
            let file = open("\(root)/there/file", O_RDWR)
            unlink("\(root)/there/file")
            let watch = DiskWatch("\(root)/directory", others: ["\(root)/there"], limit: 3 << 20)
            #expect(finding(watch) == .above)
            close(file)
        }
    }

    @Test("who shuts his directory hides nothing", .enabled(if: geteuid() != 0, "root may look into anything"))
    func shut() throws {
        try made {
            try write("file", mebibytes: 1)
            let watch = DiskWatch(root, limit: 1 << 30)
            chmod(root, 0)
            defer { chmod(root, 0o700) }
            #expect(finding(watch) == .above)
        }
    }
}
