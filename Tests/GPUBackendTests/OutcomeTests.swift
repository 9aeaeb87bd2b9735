import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("How an attempt ends is known exactly")
struct OutcomeTests {
    @Test("an exit code passes through unchanged", arguments: [0, 1, 3, 255])
    func exitCode(code: Int32) throws {
        let (result, _) = try SupervisorHarness().shell("exit \(code)")
        #expect(result.outcome == .exited(code))
        #expect(result.outcome.exitCode == code)
        #expect(try #require(result.startedAt) <= result.endedAt)
    }

    @Test("a job killed by signal 9 says so and counts as 137")
    func signalled() throws {
        let (result, _) = try SupervisorHarness().shell("kill -9 $$")
        #expect(result.outcome == .signalled(9))
        #expect(result.outcome.exitCode == 137)
    }

    @Test("a command that is not there is named with the PATH that was searched")
    func notFound() throws {
        let (result, _) = try SupervisorHarness().run(["no-such-command"])
        #expect(result.outcome == .commandNotFound(path: "/usr/bin:/bin"))
        #expect(result.outcome.exitCode == 127)
        #expect(result.startedAt == nil)
    }

    @Test("a file without the right to execute ends as 126 with the reason")
    func notExecutable() throws {
        let harness = try SupervisorHarness()
        _ = FileManager.default.createFile(atPath: harness.work + "/data", contents: Data("x".utf8))
        let (result, _) = try harness.run(["./data"])
        #expect(result.outcome == .commandNotExecutable(reason: "Permission denied"))
        #expect(result.outcome.exitCode == 126)
    }

    @Test("a working directory that is not there is said, not an exit code of the job")
    func missingDirectory() throws {
        let (result, _) = try SupervisorHarness().run(["true"]) { $0.workingDirectory += "/gone" }
        guard case .hostFailed(let code, let message) = result.outcome else {
            Issue.record("\(result.outcome)")
            return
        }
        #expect(code == "job.working_directory")
        #expect(message.contains("/gone"))
    }

    @Test("a job that needs more memory than it asked for is ended, and the limit is named")
    func outOfMemory() throws {
        let limit: UInt64 = 64 << 20
        let (result, _) = try SupervisorHarness().run(["/usr/bin/python3", "-c", "x = bytearray(200 << 20)"]) {
            $0.memoryBytes = limit
        }
        #expect(result.outcome == .outOfMemory(limitBytes: limit))
    }

    @Test("a time limit ends a job that goes on for too long")
    func timeLimit() throws {
        let (result, _) = try SupervisorHarness().run(["sleep", "60"]) { $0.timeLimit = .milliseconds(200) }
        #expect(result.outcome == .timeLimit)
    }

    @Test("a job that ignores SIGTERM is gone after the grace time")
    func ignoresTermination() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
        _ = try harness.waitForStart(spec.key)
        #expect(try eventually { try harness.log(spec) == Array("ready\n".utf8) })
        try harness.send(.cancel(spec.key, grace: nil))
        #expect(try harness.waitForEnd(spec.key).outcome == .cancelled)
    }

    @Test("a cancelled job may use the grace time to clean up")
    func graceIsGiven() throws {
        let harness = try SupervisorHarness()
        let script = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
        let spec = try harness.start(["/bin/sh", "-c", script]) { $0.grace = .seconds(10) }
        #expect(try eventually { try harness.log(spec) == Array("ready\n".utf8) })
        try harness.send(.cancel(spec.key, grace: nil))
        #expect(try harness.waitForEnd(spec.key, seconds: 5).outcome == .cancelled)
        #expect(String(decoding: try harness.log(spec), as: UTF8.self).contains("saved\n"))
    }
}
