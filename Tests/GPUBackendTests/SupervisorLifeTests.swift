import CLinux
import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("A supervisor outlives the daemon, and its jobs do not outlive it")
struct SupervisorLifeTests {
    /// Counts in a file for ever: whether it goes on can be seen from outside.
    static let counting = ["/bin/sh", "-c", "n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done"]

    private func count(_ harness: SupervisorHarness) -> String {
        (try? String(contentsOfFile: harness.work + "/count", encoding: .utf8)) ?? ""
    }

    private func moves(_ harness: SupervisorHarness, seconds: Double = 10) -> Bool {
        let before = count(harness)
        return eventually(seconds: seconds) { !count(harness).isEmpty && count(harness) != before }
    }

    @Test("a job goes on without the daemon, and the next daemon hears everything that happened meanwhile")
    func adoption() throws {
        let harness = try SupervisorHarness()
        let long = try harness.start(Self.counting)
        let short = try harness.start(["/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 5"])
        let process = try harness.waitForStart(long.key)
        _ = try harness.waitForStart(short.key)
        harness.disconnect()
        #expect(moves(harness))
        _ = FileManager.default.createFile(atPath: harness.work + "/go", contents: nil)
        guard case .lives = try harness.directory.condition() else {
            Issue.record("the supervisor went with the daemon")
            return
        }
        let journal = harness.directory.path + "/journal"
        #expect(try eventually { try JournalState.read(path: journal).attempts.contains { $0.result != nil } })
        try harness.connect()
        #expect(harness.events.contains { if case .started(long.key, process, _) = $0 { true } else { false } })
        #expect(try harness.waitForEnd(short.key).outcome == .exited(5))
        try harness.send(.acknowledge(short.key))
        harness.disconnect()
        try harness.connect()
        #expect(!harness.events.contains { if case .ended = $0 { true } else { false } })
    }

    @Test("a supervisor that was started ahead serves the job whose place it is moved to")
    func movedToItsJob() throws {
        let harness = try SupervisorHarness()
        harness.disconnect()
        try harness.takePlace(named: "42")
        let spec = harness.spec(["/bin/sh", "-c", "exit 7"])
        try harness.send(.start(spec))
        #expect(try harness.waitForEnd(spec.key).outcome == .exited(7))
        let journal = try JournalState.read(path: harness.directory.path + "/journal")
        #expect(journal.attempts.map(\.key) == [spec.key])
        try harness.send(.acknowledge(spec.key))
        try harness.send(.shutdown)
        #expect(try eventually { if case .gone = try harness.directory.condition() { true } else { false } })
        #expect(!FileManager.default.fileExists(atPath: harness.directory.path + "/socket"))
    }

    @Test("a lease that is taken back ends then, though the supervisor waits for the end of a longer one")
    func shortenedLease() throws {
        let harness = try SupervisorHarness()
        let page = try harness.directory.leasePage()
        page.extend(to: HostClock.sinceBoot() + .seconds(600))
        let spec = try harness.start(Self.counting)
        _ = try harness.waitForStart(spec.key)
        #expect(moves(harness))
        harness.disconnect()
        try harness.directory.shortenLease(to: HostClock.sinceBoot())
        let last = count(harness)
        #expect(!page.holds(at: HostClock.sinceBoot()))
        // Of another daemon, which hears that it stands still.
        try harness.connect()
        try harness.wait { if case .frozen(spec.key) = $0 { true } else { false } }
        let still = count(harness)
        #expect(still >= last || still.count >= last.count)
        #expect(!moves(harness, seconds: 0.3))
        page.extend(to: HostClock.sinceBoot() + .seconds(600))
        try harness.lapse()
        #expect(moves(harness))
    }

    @Test("what a supervisor starts is ordinary work, whatever it is itself")
    func ordinaryWork() throws {
        let harness = try SupervisorHarness()
        // Field 41 of proc(5): the scheduling policy, here SCHED_OTHER.
        let (result, log) = try harness.shell("cut -d' ' -f41 /proc/self/stat")
        #expect(result.outcome == .exited(0))
        #expect(log == "0\n")
    }

    @Test("a start asked twice runs once")
    func startTwice() throws {
        let harness = try SupervisorHarness()
        let spec = harness.spec(["/bin/sh", "-c", "echo ran >> runs; sleep 0.1"])
        try harness.send(.start(spec))
        try harness.send(.start(spec))
        _ = try harness.waitForEnd(spec.key)
        try harness.send(.start(spec))
        try harness.send(.acknowledge(spec.key))
        try harness.send(.start(spec))
        let (_, _) = try harness.shell("true")
        #expect(try String(contentsOfFile: harness.work + "/runs", encoding: .utf8) == "ran\n")
    }

    @Test("the death of the supervisor is the death of its job, and its journal says the attempt is lost")
    func supervisorKilled() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(Self.counting)
        let process = try harness.waitForStart(spec.key)
        let done = try harness.start(["/bin/sh", "-c", "exit 6"])
        _ = try harness.waitForEnd(done.key)
        guard case .lives(let supervisor) = try harness.directory.condition() else {
            Issue.record("no supervisor")
            return
        }
        kill(supervisor, SIGKILL)
        var remains: [SupervisorDirectory.Remains] = []
        #expect(
            try eventually {
                guard case .gone(let found) = try harness.directory.condition() else { return false }
                remains = found
                return true
            })
        #expect(ProcessFacts.of(process).map { $0.state == "Z" } ?? true)
        #expect(!moves(harness, seconds: 0.2))
        #expect(remains.map(\.key) == [spec.key, done.key])
        #expect(remains.first?.result == nil && remains.first?.startedAt != nil)
        #expect(remains.last?.result?.outcome == .exited(6))
        // A new supervisor of the same directory tells the same.
        harness.disconnect()
        try harness.launch()
        #expect(try harness.waitForEnd(spec.key).outcome == .lost)
        #expect(try harness.waitForEnd(done.key).outcome == .exited(6))
    }

    @Test("the death of the supervisor ends jobs without namespaces too")
    func supervisorKilledGroup() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(Self.counting) { $0.isolation = .group }
        _ = try harness.waitForStart(spec.key)
        #expect(moves(harness))
        guard case .lives(let supervisor) = try harness.directory.condition() else { return }
        kill(supervisor, SIGKILL)
        #expect(eventually { !moves(harness, seconds: 0.1) })
    }

    @Test("when the lease passes a job stands still, and goes on when it is extended")
    func lease() throws {
        let harness = try SupervisorHarness()
        let frozen = try harness.start(Self.counting)
        _ = try harness.waitForStart(frozen.key)
        let free = try harness.start(["/bin/sh", "-c", "while :; do date +%N > free; sleep 0.01; done"]) {
            $0.replaceable = false
        }
        _ = try harness.waitForStart(free.key)
        #expect(moves(harness))
        harness.lease.revoke()
        try harness.lapse()
        try harness.wait { $0 == .frozen(frozen.key) }
        #expect(!moves(harness, seconds: 0.3))
        let declined = try harness.start(["true"])
        try harness.wait { $0 == .declined(declined.key, reason: SupervisorEvent.leaseExpired) }
        harness.lease.extend(to: HostClock.sinceBoot() + .seconds(3600))
        try harness.wait { $0 == .thawed(frozen.key) }
        #expect(moves(harness))
        #expect(!harness.events.contains(.frozen(free.key)))
    }

    @Test("a deadline that passes unattended freezes the job within milliseconds")
    func leaseDeadline() throws {
        let harness = try SupervisorHarness()
        harness.lease.revoke()
        harness.lease.extend(to: HostClock.sinceBoot() + .milliseconds(500))
        let spec = try harness.start(Self.counting)
        _ = try harness.waitForStart(spec.key)
        try harness.wait { $0 == .frozen(spec.key) }
        #expect(HostClock.sinceBoot() >= harness.lease.deadline)
        try harness.send(.cancel(spec.key, grace: .seconds(60)))
        #expect(try harness.waitForEnd(spec.key, seconds: 5).outcome == .cancelled)
    }

    @Test("a job that stays frozen beyond the disconnect limit is ended as lost")
    func disconnectLimit() throws {
        let harness = try SupervisorHarness()
        harness.lease.revoke()
        harness.lease.extend(to: HostClock.sinceBoot() + .milliseconds(300))
        let spec = try harness.start(Self.counting) { $0.disconnectLimit = .milliseconds(200) }
        #expect(try harness.waitForEnd(spec.key).outcome == .lost)
    }

    @Test("once everything is acknowledged and the daemon says so, the supervisor goes")
    func shutdown() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(["true"])
        _ = try harness.waitForEnd(spec.key)
        try harness.send(.shutdown)
        guard case .lives = try harness.directory.condition() else {
            Issue.record("it went before its report was acknowledged")
            return
        }
        try harness.send(.acknowledge(spec.key))
        #expect(try eventually { try harness.directory.condition() == .gone([]) })
        try harness.directory.remove()
        #expect(!FileManager.default.fileExists(atPath: harness.directory.path))
    }

    @Test("where the rest of its job is other hosts' it goes too, and who waits for a first attempt stays")
    func nothingMore() throws {
        let waiting = try SupervisorHarness()
        let harness = try SupervisorHarness()
        let spec = try harness.start(["/bin/true"])
        _ = try harness.waitForEnd(spec.key)
        try harness.send(.acknowledge(spec.key))
        #expect(
            try eventually(seconds: 30) { if case .gone = try harness.directory.condition() { true } else { false } })
        guard case .lives = try waiting.directory.condition() else {
            Issue.record("it went before it had an attempt")
            return
        }
    }

    @Test("a frame that is too long closes the connection and nothing else")
    func oversizeFrame() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(Self.counting)
        _ = try harness.waitForStart(spec.key)
        let bytes: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0]
        #expect(send(harness.socket, bytes, bytes.count, 0) == bytes.count)
        var byte: UInt8 = 0
        #expect(eventually { recv(harness.socket, &byte, 1, 0) == 0 })
        try harness.connect()
        #expect(moves(harness))
    }

    @Test("a paused attempt stands still for the next daemon too, and its time limit waits")
    func pause() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(Self.counting) { $0.timeLimit = .seconds(2) }
        _ = try harness.waitForStart(spec.key)
        #expect(moves(harness))
        try harness.send(.pause(spec.key))
        #expect(eventually { !moves(harness, seconds: 0.5) })
        #expect(!moves(harness, seconds: 3))
        harness.disconnect()
        try harness.connect()
        #expect(!moves(harness, seconds: 0.3))
        try harness.send(.resume(spec.key))
        #expect(moves(harness))
        #expect(try harness.waitForEnd(spec.key).outcome == .timeLimit)
    }

    @Test("who has closed his end of the control socket is not listened to until he can be reaped")
    func silence() throws {
        let harness = try SupervisorHarness(launch: false)
        var spec = harness.spec(["/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 4"])
        spec.isolation = .group
        try FileManager.default.createDirectory(atPath: harness.directory.path, withIntermediateDirectories: true)
        let process = try AttemptProcess.clone(spec, in: nil)
        let attempt = RunningAttempt(spec: spec, process: process, group: nil)
        process.send(CLINUX_ORDER_GO)
        #expect(eventually { attempt.readMessages(now: HostClock.sinceBoot()) })
        _ = attempt.readMessages(now: HostClock.sinceBoot())
        #expect(!attempt.isSilent, "it may say more")
        #expect(FileManager.default.createFile(atPath: harness.work + "/go", contents: nil))
        #expect(
            eventually {
                _ = attempt.readMessages(now: HostClock.sinceBoot())
                return attempt.isSilent
            })
        #expect(attempt.hasReported, "its last word is heard all the same")
        var status: Int32 = 0
        #expect(waitpid(process.process, &status, 0) == process.process)
        process.closeAll()
    }

    @Test("a command may use the processors that its supervisor may, and no others")
    func processors() throws {
        func mask(_ status: String) -> Substring? {
            status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        }
        let harness = try SupervisorHarness()
        let own = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        #expect(try mask(harness.shell("cat /proc/self/status").1) == mask(own) && mask(own) != nil)
        let process = try #require(harness.directory.runningProcess)
        let supervisor = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let list = try #require(supervisor.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
        let first = try #require(list.split { !$0.isNumber }.first)
        let taskset = Process()
        taskset.executableURL = URL(fileURLWithPath: "/usr/bin/taskset")
        taskset.arguments = ["-p", "-c", String(first), "\(process)"]
        taskset.standardOutput = FileHandle.nullDevice
        try taskset.run()
        taskset.waitUntilExit()
        try #require(taskset.terminationStatus == 0)
        let narrow = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        #expect(try mask(harness.shell("cat /proc/self/status").1) == mask(narrow) && mask(narrow) != nil)
    }
}
