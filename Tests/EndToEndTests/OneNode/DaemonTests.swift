import Foundation
import Testing

@Suite("The daemon and its data directory")
struct DaemonTests {
    @Test("a job goes on while its daemon is killed; run shows all of its output, nothing twice, and its exit code")
    func adoption() throws {
        let node = try RealNode()
        let (process, output) = try node.start([
            "run", "--no-send", "sh", "-c", "for i in $(seq 1 40); do echo $i; sleep 0.05; done; exit 5",
        ])
        var seen = output.availableData
        node.stop(SIGKILL)
        let up = try node.run(["up"])
        try #require(up.exitCode == 0, "\(up.stderr)")
        while case let data = output.availableData, !data.isEmpty { seen += data }
        process.waitUntilExit()
        #expect(String(decoding: seen, as: UTF8.self) == (1...40).map { "\($0)\n" }.joined())
        #expect(process.terminationStatus == 5)
        #expect(try node.run(["inspect", "1"]).stdout.contains("\n0     1    "))
        #expect(!(try node.run(["inspect", "1"]).stdout.contains("\n0     2    ")))
    }

    @Test("what was acknowledged is there after the daemon was killed and started again")
    func durability() throws {
        let node = try RealNode()
        #expect(try node.run(["run", "-d", "--no-send", "--gpus", "3", "--allow-pending", "true"]).stdout == "1\n")
        node.stop(SIGKILL)
        #expect(try node.run(["up"]).exitCode == 0)
        let jobs = try node.run(["ps"]).stdout
        #expect(jobs.contains("pending"))
        #expect(jobs.contains("3 GPUs on one node, which no node has"))
    }

    @Test("a second daemon on a directory in use says so and names the way out")
    func inUse() throws {
        let node = try RealNode()
        let outcome = try node.run(["daemon"])
        #expect(outcome.stderr.contains("[node.data_directory.in_use]"))
        #expect(outcome.exitCode == 125)
    }

    @Test("up twice is up once, and up starts no second mesh")
    func twice() throws {
        let node = try RealNode()
        let first = try node.run(["members", "--json"]).stdout
        #expect(try node.run(["up"]).exitCode == 0)
        let second = try node.run(["members", "--json"]).stdout
        #expect(first.split(separator: ",")[2] == second.split(separator: ",")[2])
    }

    @Test("up says which flags the running daemon does not have, and how it gets them")
    func otherFlags() throws {
        let node = try RealNode()
        #expect(!(try node.run(["up", "--simulate-gpus", "2", "--port", "0"]).stderr.contains("already")))
        let said = try node.run(["up", "--simulate-gpus", "3", "--port", "9"]).stderr
        #expect(said.contains("running already, without --port 9 --simulate-gpus 3. "))
        #expect(said.contains("kill \(try #require(node.daemon))"))
    }

    @Test("a data directory that others can read is refused")
    func readable() throws {
        let directory = NSTemporaryDirectory() + "/swarmlet-open-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { do { try FileManager.default.removeItem(atPath: directory) } catch {} }
        chmod(directory, 0o755)
        let outcome = try Binary.run(["up", "--port", "0"], environment: ["SWARMLET_DATA_DIR": directory])
        #expect(outcome.stderr.contains("[node.data_directory.readable]"))
        #expect(outcome.exitCode == 125)
    }

    @Test("the last node of a mesh leaves it only when told to forget")
    func leave() throws {
        let node = try RealNode()
        let outcome = try node.run(["leave"])
        #expect(outcome.stderr.contains("[mesh.leave.last_node]"))
        #expect(try node.run(["leave", "--forget"]).stderr.contains("[usage.needs_answer]"))
        #expect(try node.run(["leave", "--forget", "--yes"]).exitCode == 0)
        #expect(try node.run(["ps"]).stderr.contains("[mesh.none]"))
        #expect(try node.run(["up", "--mesh", "other"]).exitCode == 0)
        #expect(try node.run(["members", "--json"]).stdout.contains("\"mesh\":\"other\""))
    }

    @Test(
        "what is no invitation is refused with its code, and the node stays in no mesh",
        arguments: [("hello", "mesh.join."), ("swm1.AAAA", "mesh.join.")])
    func badInvitation(_ text: String, _ code: String) throws {
        let directory = NSTemporaryDirectory() + "/swarmlet-join-" + UUID().uuidString.prefix(8)
        let environment = ["SWARMLET_DATA_DIR": directory]
        let outcome = try Binary.run(
            ["join", "-", "--listen", "127.0.0.1", "--port", "0"], input: text, environment: environment)
        defer {
            do {
                let pid = try String(contentsOfFile: directory + "/daemon.pid", encoding: .utf8).filter(\.isNumber)
                if let pid = Int32(pid) { kill(pid, SIGTERM) }
                try FileManager.default.removeItem(atPath: directory)
            } catch {}
        }
        #expect(outcome.exitCode == 125)
        #expect(outcome.stderr.contains("[\(code)"), "\(outcome.stderr)")
        #expect(try Binary.run(["ps"], environment: environment).stderr.contains("[mesh.none]"))
    }
}
