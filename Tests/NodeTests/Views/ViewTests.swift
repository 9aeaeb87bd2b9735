import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What people are shown")
struct ViewTests {
    @Test(
        "sizes are powers of 1024, with a tenth where it says something",
        arguments: [
            (0, "0 B"), (12, "12 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (1_536, "1.5 KiB"),
            (UInt64(3_250_586), "3.1 MiB"), (125 << 30, "125 GiB"), (412 << 20, "412 MiB"),
            ((1 << 20) - 1, "1 MiB"), ((1 << 30) - 1, "1 GiB"), (1 << 40, "1 TiB"), (.max, "16384 PiB"),
        ] as [(UInt64, String)])
    func sizes(bytes: UInt64, text: String) {
        #expect(ByteSize.text(bytes) == text)
    }

    @Test("a device is called by its marketed size, and a simulated one says that it is")
    func devices() {
        let real = GPU(index: 0, uuid: "GPU-a", model: "RTX 4090", memoryBytes: 24_564 << 20)
        #expect(GPUText.one(real) == "GPU 0 (RTX 4090 24 GiB)")
        let simulated = GPU(index: 1, uuid: "SIM-b", model: "A100", memoryBytes: 80 << 30, simulated: true)
        #expect(GPUText.one(simulated) == "GPU 1 (A100 80 GiB, simulated)")
    }

    private static let spec = JobSpec(name: "job", command: ["train"], user: "ana", submitNode: NodeID(1))

    @Test(
        "each way to end that is not the job's own says its code, its exit code and a way out",
        arguments: [
            (.outOfMemory(limitBytes: 2 << 30), "job.out_of_memory", 137, "--mem 4G"),
            (.timeLimit, "job.time_limit", 124, "--time"),
            (.commandNotFound(path: "/usr/bin:/bin"), "job.command_not_found", 127, "/usr/bin:/bin"),
            (.commandNotExecutable(reason: "no permission"), "job.command_not_executable", 126, "chmod +x train"),
            (.hostFailed(code: "host.no_space", message: "the disk is full"), "host.no_space", 125, "swarmlet doctor"),
            (.lost, "job.lost", 75, "--retry never"),
        ] as [(Outcome, String, Int32, String)])
    func failures(outcome: Outcome, code: String, exitCode: Int32, hint: String) throws {
        let failure = try #require(OutcomeText.failure(outcome, of: ViewTests.spec, job: 7, node: "lynx"))
        #expect(failure.code == code)
        #expect(failure.exitCode == exitCode)
        #expect(failure.hint.contains(hint))
        #expect(failure.message.contains("7") || failure.message.contains("train"))
    }

    @Test(
        "what the job said itself is no failure of swarmlet's",
        arguments: [.exited(0), .exited(3), .signalled(9), .cancelled] as [Outcome])
    func ownWords(outcome: Outcome) {
        #expect(OutcomeText.failure(outcome, of: ViewTests.spec, job: 7, node: "lynx") == nil)
    }

    @Test("the short words name the code, the signal and the limit")
    func short() {
        #expect(OutcomeText.short(.exited(3)) == "exit 3")
        #expect(OutcomeText.short(.signalled(9)) == "killed by signal 9 (SIGKILL)")
        #expect(OutcomeText.short(.signalled(63)) == "killed by signal 63")
        #expect(OutcomeText.short(.outOfMemory(limitBytes: 2 << 30)) == "out of memory (limit 2 GiB)")
        #expect(OutcomeText.short(.lost) == "host lost")
    }

    // MARK: Jobs

    /// A mesh of one node with two simulated devices, and one job.
    private struct World {
        var state = SchedulerState()
        private var count: UInt64 = 0

        init(retry: RetryPolicy = .times(0)) {
            let gpus = (0..<2).map {
                GPU(index: UInt32($0), uuid: "SIM-\($0)", model: "A100", memoryBytes: 80 << 30, simulated: true)
            }
            let key = Bytes([UInt8](repeating: 1, count: 32))
            let node = NodeRecord(
                name: "lynx", identityKey: key, noiseKey: key,
                capacity: Capacity(cpuMillis: 4_000, memoryBytes: 8 << 30, gpus: gpus))
            run(.found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: key, node: node))
            var spec = ViewTests.spec
            spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 30, gpus: 1)
            spec.retry = retry
            run(.submit(spec))
        }

        mutating func run(_ command: Command) {
            count += 1
            let time = CoreMesh.epoch + Int64(count) * 1_000_000_000
            _ = state.apply(Entry(request: RequestID(high: 1, low: count), time: time, command: command))
        }

        mutating func place() { run(.place(Placement.plan(state, avoid: nil, limit: 10, mayTake: { _ in true }))) }

        mutating func report(_ kind: AttemptReportKind, attempt: UInt32 = 1) {
            run(
                .report(
                    NodeID(1),
                    [
                        AttemptReport(
                            attempt: AttemptKey(job: 1, task: 0, attempt: attempt), kind: kind, at: state.time)
                    ]))
        }

        var views: JobViews { JobViews(state: state, isFrozen: { _ in false }) }
        var job: JobRecord { get throws { try #require(state.job(1)) } }
    }

    @Test("a running job shows its node and its devices, and says when it stands still")
    func running() throws {
        var world = World()
        world.place()
        world.report(.running)
        let detail = try world.views.detail(world.job)
        #expect(detail.view.state == .running)
        #expect(detail.view.nodes == ["lynx"])
        #expect(detail.attempts.map(\.gpus) == [["GPU 0 (A100 80 GiB, simulated)"]])
        #expect(!detail.view.frozen)
        let frozen = JobViews(state: world.state, isFrozen: { $0 == AttemptKey(job: 1, task: 0, attempt: 1) })
        #expect(try frozen.view(world.job).frozen)
    }

    @Test("a job that exits has the job's own code and no failure of swarmlet's")
    func exited() throws {
        var world = World()
        world.place()
        world.report(.running)
        world.report(.ended(.exited(3)))
        let ended = try world.views.ended(world.job)
        #expect(ended.exitCode == 3 && ended.fromJob && ended.failure == nil)
        #expect(try world.views.view(world.job).reason == "exit 3")
        #expect(world.views.jobs(all: false).isEmpty)
        #expect(world.views.jobs(all: true).map(\.id) == [1])
    }

    @Test("a job that ran out of memory says so, with the limit and swarmlet as the source")
    func outOfMemory() throws {
        var world = World()
        world.place()
        world.report(.ended(.outOfMemory(limitBytes: 1 << 30)))
        let ended = try world.views.ended(world.job)
        #expect(ended.exitCode == 137 && !ended.fromJob)
        #expect(ended.failure?.code == "job.out_of_memory")
        #expect(ended.attempts == 1)
    }

    @Test("a job that succeeded at its second attempt says so, and shows both")
    func secondAttempt() throws {
        var world = World(retry: .times(1))
        world.place()
        world.report(.ended(.exited(1)))
        world.place()
        world.report(.ended(.exited(0)), attempt: 2)
        let detail = try world.views.detail(world.job)
        #expect(detail.view.state == .succeeded && detail.view.attempts == 2 && detail.view.reason == nil)
        #expect(detail.attempts.map(\.outcome) == ["exit 1", "exit 0"])
        #expect(detail.attempts.map(\.state) == [.failed, .succeeded])
    }

    @Test("a cancelled job says by whom")
    func cancelled() throws {
        var world = World()
        world.run(.cancel(1, by: "ana"))
        #expect(try world.views.view(world.job).reason == "by ana")
        let ended = try world.views.ended(world.job)
        #expect(ended.exitCode == 130 && !ended.fromJob && ended.failure == nil)
    }
}
