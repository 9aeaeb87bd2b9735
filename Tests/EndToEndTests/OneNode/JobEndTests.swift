import Foundation
import Testing

@Suite("How a job ends is how run ends")
struct JobEndTests {
    struct End: Sendable, CustomTestStringConvertible {
        let name: String
        let words: [String]
        let exitCode: Int32
        var stdout = ""
        var says: [String] = []
        var testDescription: String { name }
    }

    static let ends = [
        End(name: "success", words: ["echo", "hi"], exitCode: 0, stdout: "hi\n"),
        End(name: "its own exit code", words: ["sh", "-c", "exit 3"], exitCode: 3),
        End(name: "killed by signal 9", words: ["sh", "-c", "kill -9 $$"], exitCode: 137),
        End(
            name: "not found, and what was searched", words: ["no-such-command"], exitCode: 127,
            says: ["no-such-command is not on ", "[job.command_not_found]", "/usr/bin"]),
        End(
            name: "not executable", words: ["/etc/passwd"], exitCode: 126,
            says: ["[job.command_not_executable]", "chmod +x"]),
        End(
            name: "past its time limit", words: ["--time", "300ms", "sleep", "60"], exitCode: 124,
            says: ["[job.time_limit]"]),
        End(
            name: "more than any member holds", words: ["--gpus", "3", "true"], exitCode: 2,
            says: ["[job.never_fits]", "--gpus 2"]),
        End(
            name: "the GPUs it holds are named to it", words: ["--gpus", "2", "sh", "-c", "echo $SWARMLET_GPUS"],
            exitCode: 0, stdout: "0,1\n"),
    ]

    @Test("the exit code and the words are exact", arguments: ends)
    func end(_ end: End) throws {
        let node = try RealNode()
        let outcome = try node.run(["run", "--no-send"] + end.words)
        #expect(outcome.exitCode == end.exitCode)
        #expect(outcome.stdout == end.stdout)
        if end.says.isEmpty { #expect(outcome.stderr == "") }
        for part in end.says { #expect(outcome.stderr.contains(part)) }
    }

    @Test("20 MB of any bytes come out as they went in")
    func binary() throws {
        let node = try RealNode()
        let line = "head -c 20000000 /dev/zero | tr '\\0' '\\377'; printf '\\0\\1\\r\\n'"
        let (process, output) = try node.start(["run", "--no-send", "sh", "-c", line])
        let bytes = try output.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(bytes.count == 20_000_004)
        #expect(bytes.prefix(20_000_000).allSatisfy { $0 == 0xFF })
        #expect(Array(bytes.suffix(4)) == [0, 1, 13, 10])
    }

    @Test("a progress bar without a newline is seen while the job still runs")
    func progressBar() throws {
        let node = try RealNode()
        let (process, output) = try node.start(["run", "--no-send", "sh", "-c", "printf '10%%\\r'; exec sleep 60"])
        #expect(String(decoding: output.availableData, as: UTF8.self) == "10%\r")
        #expect(process.isRunning)
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
    }

    @Test("a job that ignores SIGTERM is killed after its grace time")
    func stubborn() throws {
        let node = try RealNode()
        let (process, output) = try node.start([
            "run", "--no-send", "--grace", "200ms", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 60; done",
        ])
        #expect(String(decoding: output.availableData, as: UTF8.self) == "up\n")
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(try node.run(["ps", "-a", "--json"]).stdout.contains("\"state\":\"cancelled\""))
    }

    @Test("what a job has forked away ends with it, and does not hold its end back")
    func forkedAway() throws {
        let node = try RealNode()
        // A length of sleep that no other process on this host has, by which the stray is known.
        let seconds = "9876.\(getpid())"
        let outcome = try node.run(["run", "--no-send", "sh", "-c", "(setsid sleep \(seconds) &); echo done"])
        #expect(outcome.stdout == "done\n")
        #expect(outcome.exitCode == 0)
        for process in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(process) != nil {
            // Processes come and go while we look: one that is gone has no command line.
            let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            #expect(!line.elementsEqual("sleep\0\(seconds)\0".utf8))
        }
    }

    @Test("out of memory is said so", .enabled(if: geteuid() == 0, "only root can limit memory everywhere"))
    func outOfMemory() throws {
        let node = try RealNode()
        let outcome = try node.run([
            "run", "--no-send", "--mem", "64M", "python3", "-c", "x = bytearray(300 << 20)",
        ])
        #expect(outcome.exitCode == 137)
        #expect(outcome.stderr.contains("[job.out_of_memory]"))
    }
}
