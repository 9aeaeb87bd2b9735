import Foundation
import Testing

@Suite("Results of a job that nobody follows")
struct DetachedResultsTests {
    @Test("the files of --out come to where run -d was typed when the job has ended, and no process is left")
    func arrive() throws {
        let node = try RealNode()
        let run = try node.run([
            "run", "-d", "--no-send", "--out", "up.txt", "--", "sh", "-c", "sleep 0.3; echo done > up.txt",
        ])
        #expect(run.stdout == "1\n")
        #expect(run.exitCode == 0)
        #expect(try Self.becomesTrue { try Self.collectors(of: node).isEmpty })
        #expect(try node.read("up.txt") == "done\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: node.work) == ["up.txt"])
    }

    @Test("a job that failed brings nothing, and no process is left")
    func failed() throws {
        let node = try RealNode()
        try node.run(["run", "-d", "--no-send", "--out", "up.txt", "--", "sh", "-c", "echo half > up.txt; exit 3"])
        #expect(try node.run(["wait", "1"]).exitCode == 3)
        #expect(try Self.becomesTrue { try Self.collectors(of: node).isEmpty })
        #expect(try FileManager.default.contentsOfDirectory(atPath: node.work) == [])
    }

    @Test("a terminal that closes detaches, and the files come all the same")
    func hangUp() throws {
        let node = try RealNode()
        let (process, output) = try node.start([
            "run", "--no-send", "--out", "up.txt", "--", "sh", "-c",
            "echo here; sleep 1; echo done > up.txt",
        ])
        #expect(try output.read(upToCount: 5) == Data("here\n".utf8))
        kill(process.processIdentifier, SIGHUP)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try Self.becomesTrue { try Self.collectors(of: node).isEmpty })
        #expect(try node.read("up.txt") == "done\n")
    }

    @Test("an upgrade of the daemon meanwhile does not keep the files away")
    func restart() throws {
        let node = try RealNode()
        try node.run(["run", "-d", "--no-send", "--out", "up.txt", "--", "sh", "-c", "sleep 1; echo done > up.txt"])
        node.stop(SIGTERM)
        #expect(try node.run(["up"]).exitCode == 0)
        #expect(try Self.becomesTrue { try Self.collectors(of: node).isEmpty })
        #expect(try node.read("up.txt") == "done\n")
    }

    /// Processes that wait for results of jobs of this node.
    private static func collectors(of node: RealNode) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
            // One that has just ended has no words any more.
            guard let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return false }
            let text = String(decoding: words, as: UTF8.self)
            return text.contains("\0collect\0") && text.contains("\0\(node.directory)\0")
        }
    }

    private static func becomesTrue(_ condition: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<2_000 {
            if try condition() { return true }
            usleep(10_000)
        }
        return false
    }
}
