import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

/// Of processes, not of words: the first process of an attempt is the one that waited, or it is another.
@Suite(
    "A sandbox that stood ready is that of an attempt",
    .enabled(if: SupervisorHarness.isRoot && SupervisorHarness.isolations.contains(.userNamespace), "needs root"))
struct ReadySandboxTests {
    private static let user = JobUser(user: 0x7100_0007, group: 0x7100_0007)

    /// The first processes of a supervisor.
    private func children(_ supervisor: Int32) -> [Int32] {
        let text =
            (try? String(contentsOfFile: "/proc/\(supervisor)/task/\(supervisor)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { Int32($0) }
    }

    /// The first process that waits for an attempt, once there is one.
    private func waiting(_ harness: SupervisorHarness) throws -> Int32 {
        let supervisor = try supervisor(harness)
        let started = harness.events.compactMap { event -> Int32? in
            if case .started(_, let process, _) = event { process } else { nil }
        }
        var found: Int32?
        let isThere = eventually {
            found = children(supervisor).first { !started.contains($0) }
            return found != nil
        }
        #expect(isThere, "the supervisor said: \(harness.output())")
        return try #require(found)
    }

    private func supervisor(_ harness: SupervisorHarness) throws -> Int32 {
        try #require(harness.directory.runningProcess)
    }

    private func strict(_ change: @escaping (inout AttemptSpec) -> Void = { _ in }) -> (inout AttemptSpec) -> Void {
        { spec in
            chown(spec.workingDirectory, Self.user.user, Self.user.group)
            spec.user = Self.user
            spec.isolation = .userNamespace
            spec.sandbox = AttemptSandbox(profile: .strict, network: .off)
            spec.replaceable = false
            change(&spec)
        }
    }

    /// The spec and the first process of an attempt that began in the sandbox that stood ready. Those that were sooner than
    /// it was ended first.
    private func startReady(
        _ harness: SupervisorHarness, _ arguments: [String], _ change: @escaping (inout AttemptSpec) -> Void = { _ in }
    ) throws -> AttemptSpec {
        for _ in 0..<200 {
            let waiting = try waiting(harness)
            let made = try harness.start(arguments, change: strict(change))
            if try harness.waitForStart(made.key) == waiting { return made }
            try harness.send(.kill(made.key))
            _ = try harness.waitForEnd(made.key)
        }
        Issue.record("no attempt began in the sandbox that stands ready; the supervisor said: \(harness.output())")
        throw HostError.notOurs(path: "ready")
    }

    /// What it printed, to its end.
    private func outputReady(
        _ harness: SupervisorHarness, _ script: String, _ change: @escaping (inout AttemptSpec) -> Void = { _ in }
    ) throws -> String {
        let made = try startReady(harness, ["/bin/sh", "-c", script], change)
        let result = try harness.waitForEnd(made.key)
        let output = String(decoding: try harness.log(made), as: UTF8.self)
        #expect(result.outcome == .exited(0), "\(output)")
        return output
    }

    /// Everything a job can tell about where it is, but for what is each time another: numbers of processes, the order of
    /// mounts, and the owner that a filesystem in memory shows in its options.
    private static let description = """
        cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups /proc/self/cgroup /proc/self/oom_score_adj
        grep -E '^(Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap|Sig(Blk|Ign|Cgt))' /proc/self/status
        grep -v -E '^Max (pending|processes .*unlimited)' /proc/self/limits
        cut -d ' ' -f 4- /proc/self/mountinfo | sed -E 's/,uid=[0-9]+,gid=[0-9]+//' | sort
        ls -An --time-style=+ / /dev /dev/shm /etc /run /tmp /var /var/tmp |
            sed -E 's/^(dr-xr-xr-x) +[0-9]+ (.* proc)$/\\1 \\2/'
        ls -l /proc/self/fd | wc -l
        env; hostname; cat /proc/net/dev | cut -d : -f 1; ulimit -a; umask; pwd; id; cat /etc/passwd /etc/group
        for at in / /etc /dev /run /var /usr /opt /proc/sys /tmp /var/tmp /dev/shm .; do
            if touch $at/mark 2>/dev/null; then echo $at is writable; else echo $at is not; fi
        done
        for name in kcore keys sysrq-trigger sys/kernel/hostname; do
            head -c 1 /proc/$name >/dev/null 2>&1; echo $name $?
        done
        ip link 2>/dev/null | grep -c UP; cat /proc/sys/kernel/hostname; ipcs -m 2>/dev/null | wc -l
        """

    @Test("a job finds the same as in one that was made for it")
    func sameView() throws {
        let harness = try SupervisorHarness()
        let (ended, ordinary) = try harness.shell(Self.description, change: strict())
        #expect(ended.outcome == .exited(0))
        #expect(try FileManager.default.removeItem(atPath: harness.work + "/mark") == ())
        let expecting = try SupervisorHarness(expectsStrict: true)
        let ready = try outputReady(expecting, Self.description).replacingOccurrences(
            of: (expecting.root as NSString).lastPathComponent, with: (harness.root as NSString).lastPathComponent)
        let difference = ready.split(separator: "\n").difference(from: ordinary.split(separator: "\n"))
        #expect(difference.isEmpty, "\(difference.map { "\($0)" }.joined(separator: "\n"))")
        #expect(ordinary.contains(". is writable") && ordinary.contains("/etc is not"))
    }

    @Test("it has what is the attempt's own: mounts, memory, input, setup, variables")
    func ownParts() throws {
        let harness = try SupervisorHarness(expectsStrict: true)
        let shared = harness.root + "/shared"
        try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
        try "given\n".write(toFile: shared + "/file", atomically: true, encoding: .utf8)
        // Whatever other tests set as the mask meanwhile.
        chmod(shared, 0o755)
        chmod(shared + "/file", 0o644)
        let script =
            "cat /data/deep/file setup; echo $NAME; df --output=size -B1 /tmp | tail -1 | tr -d ' '; read line; echo $line"
        let made = try startReady(harness, ["/bin/sh", "-c", script]) { spec in
            spec.sandbox?.mounts = [MountRequest(source: shared, target: "/data/deep", isWritable: false)]
            spec.environment.append("NAME=value")
            spec.memoryBytes = 64 << 20
            spec.setup = ["/bin/sh", "-c", "echo set up > setup"]
            spec.hasInput = true
        }
        try harness.send(.input(made.key, offset: 0, bytes: Bytes(Array("typed\n".utf8)), isLast: true))
        #expect(try harness.waitForEnd(made.key).outcome == .exited(0))
        let output = String(decoding: try harness.log(made), as: UTF8.self)
        #expect(output == "given\nset up\nvalue\n\(64 << 20)\ntyped\n")
    }

    @Test("no two attempts share a namespace, and the host has none of them")
    func namespaces() throws {
        let harness = try SupervisorHarness(expectsStrict: true)
        func namespaces(_ process: String) throws -> [String] {
            try ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map {
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/\($0)")
            }
        }
        var seen = Set(try namespaces("self"))
        let command = ["/bin/sleep", "600"]
        let first = try startReady(harness, command)
        let second = try harness.start(command, change: strict())
        for key in [first.key, second.key, try startReady(harness, command).key] {
            let found = try namespaces("\(try harness.waitForStart(key))")
            #expect(seen.isDisjoint(with: found), "\(found)")
            seen.formUnion(found)
        }
    }

    @Test("it is in the control groups of its attempt, with the limits of that")
    func groups() throws {
        let script = "cat /proc/self/cgroup; exec python3 -c 'x = bytearray(300 << 20)'"
        func ended(_ harness: SupervisorHarness, _ made: AttemptSpec) throws -> Outcome {
            let process = try harness.waitForStart(made.key)
            let groups = try String(contentsOfFile: "/proc/\(process)/cgroup", encoding: .utf8)
            #expect(groups.contains("/s\(try supervisor(harness))."), "\(groups)")
            return try harness.waitForEnd(made.key).outcome
        }
        let change: (inout AttemptSpec) -> Void = { $0.memoryBytes = 128 << 20 }
        let harness = try SupervisorHarness(expectsStrict: true)
        let outcome = try ended(harness, try startReady(harness, ["/bin/sh", "-c", script], change))
        #expect(outcome == .outOfMemory(limitBytes: 128 << 20))
        let expected = try SupervisorHarness().shell(script, change: strict(change)).0.outcome
        #expect(outcome == expected)
    }

    @Test("who has a proxy finds it in there, and it ends with the attempt")
    func proxy() throws {
        let harness = try SupervisorHarness(expectsStrict: true)
        let ask = """
            exec 3<>/dev/tcp/127.0.0.1/3128 && printf 'CONNECT 127.0.0.1:1 HTTP/1.1\\r\\n\\r\\n' >&3 && head -n 1 <&3
            """
        let script = """
            bash -c "$0"; bash -c "$0"; until test -e again; do sleep 0.05; done; bash -c "$0"; exec sleep 600
            """
        let made = try startReady(harness, ["/bin/sh", "-c", script, ask]) {
            $0.sandbox = AttemptSandbox(profile: .strict, network: .on, meshAddresses: [])
        }
        let supervisor = try supervisor(harness)
        func answers() throws -> Int {
            let lines = String(decoding: try harness.log(made), as: UTF8.self).split(separator: "\r\n")
            return lines.filter { $0.hasSuffix("HTTP/1.1 403 Forbidden") }.count
        }
        func proxies() -> [Int32] {
            children(supervisor).filter { ProcessFacts.arguments(of: $0).contains(AttemptProxy.word) }
        }
        #expect(try eventually { try answers() == 2 }, "\(harness.output())")
        let answering = try #require(proxies().first)
        #expect(proxies().count == 1)
        // One that is killed is not missed: the next connection starts another.
        kill(answering, SIGKILL)
        #expect(FileManager.default.createFile(atPath: harness.work + "/again", contents: nil))
        #expect(try eventually { try answers() == 3 }, "\(harness.output())")
        #expect(proxies().count == 1 && !proxies().contains(answering))
        try harness.send(.kill(made.key))
        _ = try harness.waitForEnd(made.key)
        #expect(proxies().isEmpty)
    }

    @Test("what cannot be given to it is said as ever")
    func refusals() throws {
        let harness = try SupervisorHarness(expectsStrict: true)
        _ = try waiting(harness)
        let missing = AttemptSandbox(
            profile: .strict, network: .off,
            mounts: [MountRequest(source: harness.root + "/nowhere", target: "/data", isWritable: false)])
        let (result, _) = try harness.shell("true", change: strict { $0.sandbox = missing })
        guard case .hostFailed(let code, let message) = result.outcome else {
            Issue.record("it ran: \(result.outcome)")
            return
        }
        #expect(code == "job.mount" && message.contains("/data"), "\(code): \(message)")
    }

    @Test("an attempt that is too large for it, or wants something else, begins as ever")
    func others() throws {
        let changes: [(inout AttemptSpec) -> Void] = [
            { $0.environment += (0..<12).map { "LARGE\($0)=" + String(repeating: "x", count: 100_000) } },
            { $0.sandbox?.network = .on },
            { $0.sandbox = AttemptSandbox(profile: .standard, network: .off) },
            { $0.insideUser = JobUser(user: 1_000, group: 1_000) },
        ]
        for change in changes {
            let harness = try SupervisorHarness(expectsStrict: true)
            let waiting = try waiting(harness)
            let made = try harness.start(["/bin/true"], change: strict(change))
            let process = try harness.waitForStart(made.key)
            #expect(process != waiting)
            // It waits for nobody any more.
            #expect(eventually { kill(waiting, 0) < 0 && errno == ESRCH })
            #expect(try harness.waitForEnd(made.key).outcome == .exited(0))
        }
    }

    @Test("it goes with its supervisor, whatever ends that")
    func goesWithSupervisor() throws {
        for isKilled in [true, false] {
            let harness = try SupervisorHarness(expectsStrict: true)
            let supervisor = try supervisor(harness)
            let waiting = try waiting(harness)
            if isKilled { kill(supervisor, SIGKILL) } else { harness.disconnect() }
            #expect(eventually(seconds: 20) { kill(waiting, 0) < 0 && errno == ESRCH })
            #expect(eventually { harness.directory.runningProcess == nil })
        }
    }

    @Test("there is one only where one is expected, and again once a second attempt has begun")
    func whenOneIsMade() throws {
        let harness = try SupervisorHarness()
        let supervisor = try supervisor(harness)
        for _ in 0..<2 {
            #expect(children(supervisor).isEmpty)
            #expect(try harness.shell("true", change: strict()).0.outcome == .exited(0))
        }
        #expect(eventually { children(supervisor).count == 1 })
        #expect(try outputReady(harness, "echo \(supervisor)") == "\(supervisor)\n")
    }
}
