import Codec
import Foundation
import Node
import Scheduler
import Testing

@Suite("Tables, ids and JSON in a pipe")
struct TableTests {
    static func gpu(_ index: UInt32, _ model: String, mebibytes: UInt64, simulated: Bool = false) -> GPU {
        GPU(index: index, uuid: "GPU-\(index)", model: model, memoryBytes: mebibytes << 20, simulated: simulated)
    }

    static let owl = MemberView(
        name: "owl", shortID: "Xk7dM2qp", keyID: "k4.pid.Xk7dM2qp", nodeID: NodeID(1), state: "alive", raft: "leader",
        cpus: 32, memoryBytes: 125 << 30, gpus: [gpu(0, "RTX 4090", mebibytes: 24_564)], freeGPUs: 1,
        address: "192.168.1.11:7717", roundTripMicroseconds: nil, labels: [], version: "0.1.0", role: .auto)
    static let lynx = MemberView(
        name: "lynx", shortID: "Q2mv8RtB", keyID: "k4.pid.Q2mv8RtB", nodeID: NodeID(2), state: "alive", raft: "voter",
        cpus: 24, memoryBytes: 63 << 30,
        gpus: [gpu(0, "RTX 3090", mebibytes: 24_576), gpu(1, "RTX 3090", mebibytes: 24_576)], freeGPUs: 2,
        address: "192.168.1.12:7717", roundTripMicroseconds: 310, labels: [Label(name: "rack", value: "a")],
        version: "0.1.0", role: .auto)
    static let newt = MemberView(
        name: "newt", shortID: "hY3e_LdU", keyID: "k4.pid.hY3e_LdU", nodeID: NodeID(4), state: "alive", raft: nil,
        cpus: 64, memoryBytes: 252 << 30, gpus: [], freeGPUs: 0, address: "192.168.1.14:7717",
        roundTripMicroseconds: 349, labels: [], version: "0.1.0", role: .worker)

    static func mesh(_ members: [MemberView], staleMilliseconds: UInt64? = nil) throws -> ScriptedDaemon {
        try ScriptedDaemon { _, call in
            try call.finish(
                .members(
                    MembersView(
                        meshName: "lab", meshFingerprint: "k7qd-2mxp", members: members, waiting: [],
                        staleMilliseconds: staleMilliseconds)))
        }
    }

    @Test("members is the table of the first hour")
    func members() throws {
        let outcome = try Self.mesh([Self.owl, Self.lynx, Self.newt]).run(["members"])
        #expect(
            outcome.stdout == """
                NAME  ID        STATE  RAFT    CPUS  MEMORY   GPUS                FREE  ADDRESS            RTT
                owl   Xk7dM2qp  alive  leader  32    125 GiB  1x RTX 4090 24 GiB  1     192.168.1.11:7717  -
                lynx  Q2mv8RtB  alive  voter   24    63 GiB   2x RTX 3090 24 GiB  2     192.168.1.12:7717  0.3 ms
                newt  hY3e_LdU  alive  -       64    252 GiB  -                   -     192.168.1.14:7717  0.3 ms

                """)
        #expect(outcome.stderr == "")
        #expect(outcome.exitCode == 0)
    }

    @Test("a simulated GPU says so in the table")
    func simulated() throws {
        var node = Self.owl
        node.gpus = [Self.gpu(0, "A100", mebibytes: 81_920, simulated: true)]
        #expect(try Self.mesh([node]).run(["members"]).stdout.contains("  1x A100 80 GiB (simulated)  "))
    }

    @Test("-q prints names only, one a line, and no warning")
    func quiet() throws {
        let outcome = try Self.mesh([Self.owl, Self.lynx], staleMilliseconds: 4000).run(["members", "-q"])
        #expect(outcome.stdout == "owl\nlynx\n")
        #expect(outcome.stderr == "")
    }

    @Test("a view without a leader says how old it is")
    func stale() throws {
        let outcome = try Self.mesh([Self.owl], staleMilliseconds: 4200).run(["members"])
        #expect(outcome.stderr == "swarmlet: no leader has been heard for 4.2 s: this is how things were then\n")
    }

    @Test("--json is one object with a schema version, sizes in bytes and times in seconds")
    func json() throws {
        let outcome = try Self.mesh([Self.lynx]).run(["members", "--json"])
        let object = try JSON.parse(outcome.stdout.dropLast().description)
        #expect(object["schema_version"]?.integerValue == 1)
        let member = try #require(object["members"]?[0])
        #expect(member["name"]?.stringValue == "lynx")
        #expect(member["memory_bytes"]?.integerValue == 63 << 30)
        #expect(member["round_trip_seconds"]?.numberValue == 0.00031)
        #expect(member["labels"]?["rack"]?.stringValue == "a")
        #expect(member["gpus"]?[1]?["simulated"]?.boolValue == false)
        #expect(outcome.stdout.hasSuffix("}\n"))
    }

    static let second: Int64 = 1_000_000_000
    static let sweep = JobView(
        id: 13, name: "sweep", user: "ana", state: .running, tasks: 16, tasksEnded: 6, gpus: 1,
        nodes: ["n1", "n2", "n1"], submittedAt: 0, startedAt: 100 * second, endedAt: 620 * second, attempts: 1,
        reason: nil, exitCode: nil, frozen: false)
    static let big = JobView(
        id: 3, name: "big", user: "ana", state: .pending, tasks: 1, tasksEnded: 0, gpus: 0, nodes: [], submittedAt: 0,
        startedAt: nil, endedAt: 12 * second, attempts: 0, reason: "waits for 2 GPUs on one node", exitCode: nil,
        frozen: false)
    static let still = JobView(
        id: 2, name: "gpt", user: "ana", state: .running, tasks: 1, tasksEnded: 0, gpus: 1, nodes: ["owl"],
        submittedAt: 0, startedAt: 0, endedAt: 6720 * second, attempts: 2, reason: nil, exitCode: nil, frozen: true)

    static func queue() throws -> ScriptedDaemon {
        try ScriptedDaemon { _, call in
            try call.finish(.jobs(JobsView(jobs: [sweep, big, still], staleMilliseconds: nil)))
        }
    }

    @Test("ps is the table of the first hour")
    func jobs() throws {
        let outcome = try Self.queue().run(["ps"])
        #expect(
            outcome.stdout == """
                ID  NAME   USER  STATE    TASKS  GPUS  NODE  TIME   TRY  REASON
                13  sweep  ana   running  6/16   1     n1+1  8m40s  1    -
                3   big    ana   pending  1      -     -     12s    -    waits for 2 GPUs on one node
                2   gpt    ana   frozen   1      1     owl   1h52m  2    -

                """)
    }

    @Test("ps -q prints ids, one a line")
    func ids() throws {
        #expect(try Self.queue().run(["ps", "-q"]).stdout == "13\n3\n2\n")
        #expect(try Self.queue().run(["ps", "-aq"]).stdout == "13\n3\n2\n")
    }

    @Test("ps asks for ended jobs with -a only")
    func all() throws {
        let daemon = try Self.queue()
        _ = try daemon.run(["ps"])
        _ = try daemon.run(["ps", "-a"])
        #expect(daemon.requests == [.jobs(JobsRequest(all: false)), .jobs(JobsRequest(all: true))])
    }

    @Test("what the daemon refuses is passed on with its code, its way out and its exit code")
    func refusal() throws {
        let daemon = try ScriptedDaemon { _, call in
            try call.finish(
                .failure(
                    APIFailure(
                        code: "job.not_found", message: "there is no job 9", hint: "what there is: swarmlet ps -a",
                        exitCode: 3)))
        }
        let outcome = try daemon.run(["inspect", "9"])
        #expect(
            outcome.stderr == "swarmlet: there is no job 9 [job.not_found]\nswarmlet: what there is: swarmlet ps -a\n")
        #expect(outcome.exitCode == 3)
    }

    @Test("an answer that is no message of ours is refused, however long it says it is")
    func garbage() throws {
        for bytes: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [3, 0, 0, 0, 0xFF, 0xFF, 0xFF]] {
            let daemon = try ScriptedDaemon { _, call in
                try call.sendRaw(bytes)
                call.end()
            }
            let outcome = try daemon.run(["ps"])
            #expect(outcome.stderr.contains("[daemon.bad_answer]"))
            #expect(outcome.exitCode == 125)
        }
    }
}
