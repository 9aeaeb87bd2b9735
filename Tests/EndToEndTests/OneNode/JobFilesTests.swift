import Foundation
import Testing

@Suite("The working directory travels, results come back")
struct JobFilesTests {
    @Test("a job sees what was sent, and what it leaves under --out comes to where run was typed")
    func roundTrip() throws {
        let node = try RealNode()
        try node.write("input", to: "data.txt")
        let outcome = try node.run([
            "run", "--out", "result/*", "--", "sh", "-c", "mkdir result; tr a-z A-Z < data.txt > result/up.txt",
        ])
        #expect(outcome.exitCode == 0)
        #expect(try node.read("result/up.txt") == "INPUT")
        let copied = try node.run(["cp", "job:1:/result/up.txt", "again.txt"])
        #expect(copied.exitCode == 0)
        #expect(try node.read("again.txt") == "INPUT")
        let missing = try node.run(["cp", "job:1:/nope", "new-directory/"])
        #expect(missing.exitCode == 3)
        #expect(!FileManager.default.fileExists(atPath: node.work + "/new-directory"))
    }

    @Test("a symbolic link out of the tree and a socket are refused before anything is sent, with a way out")
    func refused() throws {
        let node = try RealNode()
        try FileManager.default.createSymbolicLink(atPath: node.work + "/out", withDestinationPath: "/etc/passwd")
        let link = try node.run(["run", "true"])
        #expect(link.exitCode == 125)
        #expect(link.stderr.contains("[files.symlink_out]"))
        try FileManager.default.removeItem(atPath: node.work + "/out")
        #expect(mkfifo(node.work + "/pipe", 0o600) == 0)
        let pipe = try node.run(["run", "true"])
        #expect(pipe.exitCode == 125)
        #expect(pipe.stderr.contains("[files.special]"))
        #expect(try node.run(["ps", "-aq"]).stdout == "")
    }

    @Test("an array prints the output of its tasks in order, and exits as the task that failed")
    func array() throws {
        let node = try RealNode()
        let outcome = try node.run([
            "run", "--no-send", "--array", "3", "sh", "-c",
            "echo $SWARMLET_TASK_ID; exit $((SWARMLET_TASK_ID % 2 * 3))",
        ])
        #expect(outcome.stdout == "0\n1\n2\n")
        #expect(outcome.exitCode == 3)
        #expect(try node.run(["logs", "1_2"]).stdout == "2\n")
    }

    @Test("the output of an array's first tasks is there while its last one runs")
    func arrayFollows() throws {
        let node = try RealNode()
        let (process, output) = try node.start([
            "run", "--no-send", "--cpus", "0.1", "--mem", "32M", "--array", "3", "sh", "-c",
            "echo $SWARMLET_TASK_ID; [ $SWARMLET_TASK_ID != 2 ] || exec sleep 60",
        ])
        var seen = Data()
        while seen.count < 4, case let more = output.availableData, !more.isEmpty { seen += more }
        #expect(String(decoding: seen, as: UTF8.self) == "0\n1\n")
        #expect(try node.run(["cancel", "1"]).exitCode == 0)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
    }

    @Test("a checkpoint written just before a failure is what the next try goes on from")
    func lastCheckpoint() throws {
        let node = try RealNode()
        let script = "if [ -n \"$SWARMLET_RESUME\" ]; then cat ckpt/a.pt; else echo saved > ckpt/a.pt; exit 1; fi"
        let outcome = try node.run(["run", "--no-send", "--retry", "1", "--checkpoint", "ckpt", "sh", "-c", script])
        #expect(outcome.exitCode == 0)
        #expect(outcome.stdout == "saved\n")
    }

    @Test("logs shows both streams in order, one of them, the last lines, and the time before each")
    func logs() throws {
        let node = try RealNode()
        try node.run(["run", "--no-send", "sh", "-c", "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three"])
        #expect(try node.run(["logs", "1"]).stdout == "one\ntwo\nthree\n")
        #expect(try node.run(["logs", "--stderr", "1"]).stdout == "two\n")
        #expect(try node.run(["logs", "--tail", "1", "1"]).stdout == "three\n")
        let timed = try node.run(["logs", "-t", "1"]).stdout.split(separator: "\n")
        #expect(timed.count == 3)
        #expect(timed.allSatisfy { $0.dropFirst(23).hasPrefix("Z ") })
        #expect(try node.run(["logs", "2"]).exitCode == 3)
    }

    @Test("run --here needs no mesh and leaves nothing behind")
    func here() throws {
        let place = NSTemporaryDirectory() + "/swarmlet-here-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        defer { do { try FileManager.default.removeItem(atPath: place) } catch {} }
        let outcome = try Binary.run(
            ["run", "--here", "--no-send", "--", "sh", "-c", "echo hi; exit 4"], environment: ["TMPDIR": place])
        #expect(outcome.stdout == "hi\n")
        #expect(outcome.stderr == "")
        #expect(outcome.exitCode == 4)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place) == [])
    }
}
