import Codec
import Foundation
import Mesh
import Node
import Scheduler
import Synchronization
import Testing

@Suite("run is the job as if it ran here")
struct RunTests {
    static func end(_ state: TaskState, _ code: Int32, attempts: UInt32 = 1, results: ResultsView? = nil) -> JobEnded {
        JobEnded(
            job: 2, state: state, exitCode: code, fromJob: true, failure: nil, milliseconds: 1200, attempts: attempts,
            results: results)
    }

    static func chunk(_ text: String, _ stream: UInt8 = 1, attempt: UInt32 = 1) -> APIReply {
        .follow(
            .output(
                LogChunk(
                    stream: stream, time: 0, bytes: Bytes(Array(text.utf8)),
                    next: OutputCursor(attempt: attempt, place: nil))))
    }

    static func placed(_ number: UInt32, _ node: String, checkpoint: UInt64? = nil, lossMilliseconds: UInt64? = nil)
        -> APIReply
    {
        .follow(
            .placed(
                AttemptPlaced(
                    number: number, node: node, gpus: ["GPU 0 (RTX 3090 24 GiB, simulated)"], resumesFrom: checkpoint,
                    millisecondsSinceLoss: lossMilliseconds, memoryBytes: 1 << 30)))
    }

    /// A daemon that takes any submit as job 2 and then follows the script.
    static func daemon(_ follow: @escaping @Sendable (FollowRequest, ScriptedDaemon.Call) throws -> Void) throws
        -> ScriptedDaemon
    {
        try ScriptedDaemon { request, call in
            switch request {
            case .submit(let submit):
                if submit.manifest != nil {
                    try call.send(.transfer(.need([])))
                } else {
                    try call.finish(.submitted(SubmittedView(job: 2, sentParts: 0)))
                }
            case .transfer(.done): try call.finish(.submitted(SubmittedView(job: 2, sentParts: 0)))
            case .follow(let request): try follow(request, call)
            default: Issue.record("nobody expected \(request)")
            }
        }
    }

    @Test("stdout goes to stdout and stderr to stderr, byte for byte, and the exit code is the job's")
    func streams() throws {
        let daemon = try Self.daemon { _, call in
            try call.send(Self.placed(1, "lynx"))
            try call.send(Self.chunk("step 1\rstep 2\u{0}"))
            try call.send(Self.chunk("careful\n", 2))
            try call.finish(.follow(.ended(Self.end(.failed, 3))))
        }
        let outcome = try daemon.run(["run", "--no-send", "--", "x"])
        #expect(outcome.stdout == "step 1\rstep 2\u{0}")
        #expect(outcome.stderr == "careful\n")
        #expect(outcome.exitCode == 3)
    }

    @Test("in a pipe a lost host and the next attempt are told, and nothing else")
    func attempts() throws {
        let daemon = try Self.daemon { _, call in
            try call.send(.follow(.waiting("waits for 1 GPU")))
            try call.send(Self.placed(1, "lynx"))
            try call.send(.follow(.checkpoint(CheckpointSafe(number: 3, bytes: 412 << 20, holders: ["owl", "newt"]))))
            try call.send(.follow(.hostLost(HostLost(node: "lynx", silentMilliseconds: 3100, nextAttempt: 2))))
            try call.send(Self.placed(2, "owl", checkpoint: 3, lossMilliseconds: 4200))
            try call.finish(.follow(.ended(Self.end(.succeeded, 0, attempts: 2))))
        }
        let outcome = try daemon.run(["run", "--no-send", "x"])
        #expect(
            outcome.stderr == """
                swarmlet: job 2: lynx has not answered for 3.1 s; placing attempt 2
                swarmlet: job 2: attempt 2 on owl, GPU 0 (RTX 3090 24 GiB, simulated), resumes from checkpoint 3; 4.2 s since the loss

                """)
        #expect(outcome.exitCode == 0)
    }

    @Test("on a terminal the first attempt, checkpoints and the end are told as well")
    func terminal() throws {
        let daemon = try Self.daemon { _, call in
            try call.send(Self.placed(1, "lynx"))
            try call.send(.follow(.checkpoint(CheckpointSafe(number: 3, bytes: 412 << 20, holders: ["owl", "newt"]))))
            try call.finish(.follow(.ended(Self.end(.succeeded, 0))))
        }
        let outcome = try Binary.runOnTerminal(
            ["run", "--no-send", "x"], environment: ["SWARMLET_DATA_DIR": daemon.directory])
        #expect(outcome.stdout.contains("swarmlet: job 2: attempt 1 on lynx, GPU 0 (RTX 3090 24 GiB, simulated)\n"))
        #expect(outcome.stdout.contains("swarmlet: job 2: checkpoint 3 (412 MiB) safe on owl and newt\n"))
        #expect(outcome.stdout.contains("swarmlet: job 2: succeeded in 1s\n"))
        #expect(outcome.exitCode == 0)
    }

    @Test("when the daemon goes away and comes back, output goes on where it was: nothing twice, nothing missing")
    func reconnect() throws {
        let calls = Mutex(0)
        let daemon = try Self.daemon { request, call in
            switch calls.withLock({ count in
                count += 1
                return count
            }) {
            case 1:
                #expect(request.cursor.attempt == 0)
                try call.send(Self.placed(1, "lynx"))
                try call.send(Self.chunk("one\n"))
                call.end()
            default:
                #expect(request.cursor.attempt == 1)
                #expect(request.seenAttempt == 1)
                try call.send(Self.chunk("two\n"))
                try call.finish(.follow(.ended(Self.end(.succeeded, 0))))
            }
        }
        let outcome = try daemon.run(["run", "--no-send", "x"])
        #expect(outcome.stdout == "one\ntwo\n")
        #expect(outcome.stderr == "")
        #expect(outcome.exitCode == 0)
    }

    @Test("a submit whose answer was lost is sent again under the same id")
    func resubmit() throws {
        let calls = Mutex(0)
        let daemon = try ScriptedDaemon { request, call in
            switch request {
            case .submit
            where calls.withLock({
                $0 += 1; return $0
            }) == 1: call.end()
            case .submit: try call.finish(.submitted(SubmittedView(job: 7, sentParts: 0)))
            default: Issue.record("nobody expected \(request)")
            }
        }
        let outcome = try daemon.run(["run", "-d", "--no-send", "x"])
        #expect(outcome.stdout == "7\n")
        let ids = daemon.requests.compactMap { request -> RequestID? in
            guard case .submit(let submit) = request else { return nil }
            return submit.request
        }
        #expect(ids.count == 2)
        #expect(Set(ids).count == 1)
    }

    @Test("the flags say what the job asks for")
    func specification() throws {
        let daemon = try ScriptedDaemon { _, call in try call.finish(.submitted(SubmittedView(job: 1, sentParts: 0))) }
        _ = try daemon.run([
            "run", "-d", "--no-send", "-g2", "--gpu-mem=20G", "-c", "1.5", "--mem", "512M", "--time", "1-12:00:00",
            "-J", "gpt",
            "--array", "16", "--checkpoint", "ckpt", "--checkpoint-every", "2s", "--keep-checkpoints", "5", "--out",
            "*.pt",
            "--out", "log", "-e", "B=2", "--env", "A=x=y", "--retry", "3", "--grace", "30s", "--", "python3", "t.py",
            "--gpus",
        ])
        guard case .submit(let submit)? = daemon.requests.first else {
            Issue.record("no submit came")
            return
        }
        let spec = submit.spec
        #expect(spec.name == "gpt")
        #expect(spec.command == ["python3", "t.py", "--gpus"])
        #expect(spec.resources == Resources(cpuMillis: 1500, memoryBytes: 512 << 20, gpus: 2, gpuMemoryBytes: 20 << 30))
        #expect(spec.timeLimitMilliseconds == 129_600_000)
        #expect(spec.tasks == 16)
        #expect(spec.isArray)
        #expect(spec.checkpoint?.directory == "ckpt")
        #expect(spec.checkpoint?.everyMilliseconds == 2000)
        #expect(spec.checkpoint?.keep == 5)
        #expect(spec.outputs == ["*.pt", "log"])
        #expect(spec.environment == [Label(name: "A", value: "x=y"), Label(name: "B", value: "2")])
        #expect(spec.retry == .times(3))
        #expect(spec.graceMilliseconds == 30_000)
    }

    @Test(
        "without a terminal SIGTERM cancels, and the exit code is that of a cancelled job",
        arguments: [SIGINT, SIGTERM])
    func cancel(_ signal: Int32) throws {
        let following = DispatchSemaphore(value: 0)
        let cancelled = DispatchSemaphore(value: 0)
        let daemon = try ScriptedDaemon { request, call in
            switch request {
            case .submit: try call.finish(.submitted(SubmittedView(job: 2, sentParts: 0)))
            case .follow:
                try call.send(Self.placed(1, "lynx"))
                following.signal()
                cancelled.wait()
                try call.finish(.follow(.ended(Self.end(.cancelled, 130))))
            case .cancel(let cancel):
                #expect(cancel.job == 2)
                try call.finish(.done)
                cancelled.signal()
            default: Issue.record("nobody expected \(request)")
            }
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Binary.path)
        process.arguments = ["run", "--data-dir", daemon.directory, "--no-send", "x"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        following.wait()
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
    }

    @Test("the working directory travels: what the daemon lacks is sent, what is ignored is not")
    func upload() throws {
        let folder = NSTemporaryDirectory() + "/swarmlet-tree-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { do { try FileManager.default.removeItem(atPath: folder) } catch {} }
        try "print(1)".write(toFile: folder + "/train.py", atomically: true, encoding: .utf8)
        try "secret".write(toFile: folder + "/.env", atomically: true, encoding: .utf8)
        let received = Mutex<[UInt8]>([])
        let daemon = try ScriptedDaemon { request, call in
            switch request {
            case .submit(let submit):
                let manifest = try Manifest.decode(try #require(submit.manifest).array)
                #expect(manifest.entries.map(\.path) == ["train.py"])
                try call.send(.transfer(.need(manifest.chunks)))
            case .transfer(.chunk(_, _, let bytes, _)): received.withLock { $0 += bytes }
            case .transfer(.done): try call.finish(.submitted(SubmittedView(job: 1, sentParts: 1)))
            default: Issue.record("nobody expected \(request)")
            }
        }
        let outcome = try daemon.run(["run", "-d", "python3", "train.py"], directory: folder)
        #expect(outcome.stdout == "1\n")
        #expect(received.withLock { $0 } == Array("print(1)".utf8))
    }

    @Test("too much to send is refused in a pipe before anything leaves the host")
    func uploadLimit() throws {
        let folder = NSTemporaryDirectory() + "/swarmlet-tree-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { do { try FileManager.default.removeItem(atPath: folder) } catch {} }
        try String(repeating: "x", count: 5000).write(toFile: folder + "/data", atomically: true, encoding: .utf8)
        let daemon = try ScriptedDaemon { request, _ in Issue.record("nobody expected \(request)") }
        let outcome = try daemon.run(["run", "--upload-limit", "4K", "x"], directory: folder)
        #expect(outcome.stderr.contains("[usage.needs_answer]"))
        #expect(outcome.stderr.contains("--upload-limit"))
        #expect(daemon.requests.isEmpty)
        #expect(outcome.exitCode == 125)
    }

    @Test("results come to the directory where run was typed, verified, with nothing left beside them")
    func results() throws {
        let folder = NSTemporaryDirectory() + "/swarmlet-tree-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { do { try FileManager.default.removeItem(atPath: folder) } catch {} }
        let content = Array("weights".utf8)
        let digest = BLAKE3.hash(content)
        let manifest = try Manifest(entries: [
            .init(path: "model.pt", content: .file(.init(byteCount: 7, isExecutable: false, chunks: [digest])))
        ])
        let view = ResultsView(tree: manifest.root, bytes: 7, files: 1, holders: ["lynx"])
        let daemon = try ScriptedDaemon { request, call in
            switch request {
            case .submit: try call.finish(.submitted(SubmittedView(job: 2, sentParts: 0)))
            case .follow: try call.finish(.follow(.ended(Self.end(.succeeded, 0, results: view))))
            case .fetch:
                try call.send(.transfer(.manifest(manifest.encoded())))
                for message in TransferMessage.chunks(of: digest, content: content) {
                    try call.send(.transfer(message))
                }
                try call.finish(.transfer(.done))
            default: Issue.record("nobody expected \(request)")
            }
        }
        let outcome = try daemon.run(["run", "--no-send", "--out", "model.pt", "x"], directory: folder)
        #expect(outcome.stderr == "")
        #expect(outcome.exitCode == 0)
        #expect(try String(contentsOfFile: folder + "/model.pt", encoding: .utf8) == "weights")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.pt"])
    }

    @Test("a command that only the submitter has is said to be here, and where")
    func commandIsHere() throws {
        let daemon = try Self.daemon { _, call in
            var end = Self.end(.failed, 127)
            end.fromJob = false
            end.failure = APIFailure(
                code: "job.command_not_found", message: "env is not on lynx", hint: "searched there: /bin.",
                exitCode: 127)
            try call.finish(.follow(.ended(end)))
        }
        let outcome = try daemon.run(["run", "--no-send", "env"])
        #expect(
            outcome.stderr == """
                swarmlet: env is not on lynx [job.command_not_found]
                swarmlet: here it is /usr/bin/env, which is not sent; searched there: /bin.

                """)
    }

    @Test("swarmlet's own failures are told apart from the job's by their two lines, and with --json by exit_source")
    func ownFailure() throws {
        let daemon = try Self.daemon { _, call in
            var end = Self.end(.failed, 127)
            end.fromJob = false
            end.failure = APIFailure(
                code: "job.command_not_found", message: "python is not on lynx", hint: "use python3", exitCode: 127)
            try call.finish(.follow(.ended(end)))
        }
        let outcome = try daemon.run(["run", "--no-send", "python"])
        #expect(outcome.stderr == "swarmlet: python is not on lynx [job.command_not_found]\nswarmlet: use python3\n")
        #expect(outcome.exitCode == 127)
        let json = try JSON.parse(
            try daemon.run(["run", "--json", "--no-send", "python"]).stderr.dropLast().description)
        #expect(json["code"]?.stringValue == "job.command_not_found")
        #expect(json["exit_source"]?.stringValue == "swarmlet")
    }
}
