import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("A job is kept apart from its host")
struct SandboxTests {
    @Test(
        "it writes to its working directory and a private /tmp, and nowhere else",
        .enabled(if: SupervisorHarness.hasNamespaces, SupervisorHarness.withoutNamespaces),
        arguments: ["/tmp", SupervisorHarness.buildDirectory])
    func writes(base: String) throws {
        let harness = try SupervisorHarness(base: base)
        let mark = "swarmlet-test-\(getpid())"
        let script = """
            echo kept > file && echo work
            echo gone > /tmp/\(mark) && echo tmp
            echo gone > /dev/shm/\(mark) && echo shm
            (echo bad > /etc/\(mark)) 2>/dev/null && echo etc
            (echo bad > /var/\(mark)) 2>/dev/null && echo var
            (echo bad > \(harness.root)/\(mark)) 2>/dev/null
            (mount -o remount,rw / ) 2>/dev/null && echo remounted
            true
            """
        let (result, output) = try harness.shell(script)
        #expect(result.outcome == .exited(0))
        #expect(output == "work\ntmp\nshm\n")
        #expect(FileManager.default.fileExists(atPath: harness.work + "/file"))
        #expect(!FileManager.default.fileExists(atPath: "\(harness.root)/\(mark)"))
        #expect(!FileManager.default.fileExists(atPath: "/tmp/\(mark)"))
        #expect(!FileManager.default.fileExists(atPath: "/dev/shm/\(mark)"))
    }

    @Test("the checkpoint directory is writable wherever it is")
    func checkpointDirectory() throws {
        let harness = try SupervisorHarness()
        let directory = harness.root + "/checkpoints/deep"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let (result, _) = try harness.shell("echo 1 > \(directory)/a.pt") { $0.writableDirectories = [directory] }
        #expect(result.outcome == .exited(0))
        #expect(FileManager.default.fileExists(atPath: directory + "/a.pt"))
    }

    @Test(
        "it sees its own processes only, and is in a session of its own",
        .enabled(if: SupervisorHarness.hasNamespaces, SupervisorHarness.withoutNamespaces))
    func processes() throws {
        let (_, output) = try SupervisorHarness().shell("ls -d /proc/[0-9]* | wc -l; echo $$; ps -o sid= $$")
        let lines = output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        #expect(try #require(Int(lines[0])) < 8)
        #expect(lines[1] == lines[2])
    }

    @Test("it has no capabilities and gains none")
    func capabilities() throws {
        let (_, output) = try SupervisorHarness().shell(
            "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status")
        for line in output.split(separator: "\n") {
            let value = line.split(separator: "\t").last
            #expect(value == (line.hasPrefix("NoNewPrivs") ? "1" : "0000000000000000"), "\(line)")
        }
        #expect(output.split(separator: "\n").count == 6)
    }

    @Test("it inherits no descriptors of the supervisor or the daemon")
    func descriptors() throws {
        let (_, output) = try SupervisorHarness().run([
            "/usr/bin/python3", "-c", "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))",
        ])
        // The fourth is the directory that is being listed.
        #expect(output == "[0, 1, 2, 3]\n")
    }

    @Test("its environment is what was given, and nothing else")
    func environment() throws {
        let (_, output) = try SupervisorHarness().run(["env"]) { $0.environment = ["PATH=/usr/bin:/bin", "A=b c"] }
        #expect(output == "PATH=/usr/bin:/bin\nA=b c\n")
    }

    @Test("it runs as the user who submitted it", .enabled(if: SupervisorHarness.isRoot, "needs root"))
    func user() throws {
        let harness = try SupervisorHarness()
        chmod(harness.work, 0o777)
        let (result, output) = try harness.shell("id -u; id -g; id -G; echo x > mine") {
            $0.user = JobUser(user: 65534, group: 65534, groups: [65534, 100])
        }
        #expect(result.outcome == .exited(0))
        #expect(output == "65534\n65534\n65534 100\n")
        let facts = try FileManager.default.attributesOfItem(atPath: harness.work + "/mine")
        #expect(facts[.ownerAccountID] as? NSNumber == 65534)
    }

    @Test(
        "a user namespace gives the same where the daemon is not root",
        .enabled(
            if: SupervisorHarness.isolations.contains(.userNamespace), SupervisorHarness.withoutNamespaces))
    func userNamespace() throws {
        let harness = try SupervisorHarness()
        let (result, output) = try harness.shell("touch /etc/x 2>/dev/null || echo read-only; echo a > file; id -u") {
            $0.isolation = .userNamespace
        }
        #expect(result.outcome == .exited(0))
        #expect(output == "read-only\n\(geteuid())\n")
    }

    @Test(
        "what forks away ends with the job, in every isolation",
        arguments: SupervisorHarness.isolations)
    func forksAway(isolation: Isolation) throws {
        let harness = try SupervisorHarness()
        // Twice forked and in a session of its own; it would count on for ever.
        let script = """
            setsid sh -c '(while :; do date +%N > beat; sleep 0.01; done) &' &
            while [ ! -s beat ]; do sleep 0.01; done; exit 4
            """
        let (result, _) = try harness.shell(script) { $0.isolation = isolation }
        #expect(result.outcome == .exited(4))
        let before = try String(contentsOfFile: harness.work + "/beat", encoding: .utf8)
        poll(nil, 0, 200)
        #expect(try String(contentsOfFile: harness.work + "/beat", encoding: .utf8) == before)
    }
}
