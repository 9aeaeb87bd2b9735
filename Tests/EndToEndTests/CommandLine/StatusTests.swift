import Foundation
import Node
import Scheduler
import Testing

@Suite("up and join, against a daemon that runs already")
struct StatusTests {
    static let status = StatusView(
        version: "0.1.0", inMesh: true, meshName: "lab", meshFingerprint: "k7qd-2mxp", nodeName: "owl",
        shortID: "Xk7dM2qp", cpus: 32, memoryBytes: 125 << 30,
        gpus: [TableTests.gpu(0, "RTX 4090", mebibytes: 24_564)], addresses: ["192.168.1.11:7717"],
        backend: "io_uring", backendReason: nil,
        weaker: ["not root: memory limits are watched, not enforced, on this host"], joinMilliseconds: 400,
        founded: true, leader: "owl")

    static func daemon() throws -> ScriptedDaemon {
        try ScriptedDaemon { request, call in
            switch request {
            case .version: try call.finish(.version("0.1.0"))
            default: try call.finish(.status(status))
            }
        }
    }

    @Test("up tells on a terminal what was started, and what is weaker")
    func up() throws {
        let daemon = try Self.daemon()
        let outcome = try Binary.runOnTerminal(
            ["up", "--mesh", "lab", "--labels", "rack=a,site=x"], environment: ["SWARMLET_DATA_DIR": daemon.directory])
        #expect(
            outcome.stdout.hasPrefix(
                """
                swarmlet: mesh lab started; fingerprint k7qd-2mxp
                swarmlet: node owl (Xk7dM2qp): 32 CPUs, 125 GiB, 1x RTX 4090 24 GiB; 192.168.1.11:7717 TCP and UDP
                swarmlet: not root: memory limits are watched, not enforced, on this host. See: swarmlet doctor

                """))
        #expect(outcome.exitCode == 0)
        #expect(
            daemon.requests.last
                == .up(
                    UpRequest(
                        meshName: "lab", nodeName: nil,
                        labels: [Label(name: "rack", value: "a"), Label(name: "site", value: "x")])))
    }

    @Test("up says nothing in a pipe")
    func silentUp() throws {
        let outcome = try Self.daemon().run(["up"])
        #expect(outcome.stdout == "")
        #expect(outcome.stderr == "")
    }

    @Test("join takes the invitation from stdin, and says so in a pipe as well")
    func join() throws {
        let daemon = try Self.daemon()
        let outcome = try Binary.run(
            ["join", "-"], input: "swm1.abc\n", environment: ["SWARMLET_DATA_DIR": daemon.directory])
        #expect(
            outcome.stderr
                == "swarmlet: owl (Xk7dM2qp) joined mesh lab in 0.4 s: 32 CPUs, 125 GiB, 1x RTX 4090 24 GiB\n")
        guard case .join(let request)? = daemon.requests.last else {
            Issue.record("no join came")
            return
        }
        #expect(request.invitation == "swm1.abc")
        #expect(request.peer == nil)
    }

    @Test("invite prints the invitation and nothing else to stdout")
    func invite() throws {
        let daemon = try ScriptedDaemon { request, call in
            try call.finish(.invitation(InvitationView(line: "swm1.abc", shortID: "7c1e", uses: 2, expires: 0)))
        }
        let outcome = try daemon.run(["invite", "--uses", "2", "--ttl", "90m"])
        #expect(outcome.stdout == "swm1.abc\n")
        #expect(outcome.stderr == "")
        #expect(
            daemon.requests == [
                .invite(InviteRequest(uses: 2, timeToLiveSeconds: 5400, worker: false, labels: []))
            ])
    }
}
