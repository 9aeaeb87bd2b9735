import Codec
import GPUBackend
import Glibc
import Scheduler
import Testing

@testable import Node

@Suite("How an attempt is started")
struct AttemptPlanTests {
    private let key = AttemptKey(job: 42, task: 7, attempt: 2)

    private func plan(
        user: String = "root", uid: UInt32 = 0, runAs: String? = nil, checkpoint: String? = nil,
        environment: [Label] = [], gpus: [GPU] = [], resumedFrom: UInt64? = nil,
        sandbox: SandboxSpec? = nil, gang: GangSpec? = nil
    ) -> AttemptPlan {
        let job = JobSpec(
            name: "job", command: ["train"], environment: environment, user: user, uid: uid, runAs: runAs, tasks: 9,
            checkpoint: checkpoint.map { CheckpointPolicy(directory: $0) }, submitNode: NodeID(1), sandbox: sandbox,
            gang: gang)
        let attempt = Attempt(
            number: 2, node: NodeID(1), gpus: gpus.map(\.index), cpuMillis: 1_500, memoryBytes: 3 << 30, placedAt: 0,
            resumedFrom: resumedFrom)
        return AttemptPlan(
            key: key, job: job, attempt: attempt, directory: DataDirectory(path: "/data"), nodeName: "lynx",
            gpus: gpus)
    }

    private func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let error as NodeError {
            return error.code
        } catch {
            return "\(error)"
        }
    }

    // MARK: Paths

    @Test("every attempt has a directory and a log of its own")
    func paths() {
        #expect(plan().workingDirectory == "/data/work/42.7.2")
        #expect(AttemptPlan.logPath(key, in: DataDirectory(path: "/data")) == "/data/logs/42/7.2")
    }

    @Test("checkpoints lie where they were asked for, else in the working directory")
    func checkpoints() {
        #expect(plan().checkpointDirectory == "/data/work/42.7.2/.swarmlet-checkpoint")
        #expect(plan(checkpoint: "ckpt").checkpointDirectory == "/data/work/42.7.2/ckpt")
        #expect(plan(checkpoint: "/scratch/ckpt").checkpointDirectory == "/scratch/ckpt")
        #expect(plan(checkpoint: "/scratch/ckpt").hasCheckpointElsewhere)
    }

    // MARK: Environment

    private let ana = AttemptPlan.Account(user: nil, name: "ana", home: "/home/ana")

    @Test("the environment tells a job who it is, where it is and what it may use")
    func environment() {
        let lines = plan().environment(ana)
        for line in [
            "SWARMLET_JOB_ID=42", "SWARMLET_TASK_ID=7", "SWARMLET_TASKS=9", "SWARMLET_ATTEMPT=2",
            "SWARMLET_NODE=lynx", "PWD=/data/work/42.7.2", "SWARMLET_GPUS=",
            "CUDA_VISIBLE_DEVICES=", "SWARMLET_CHECKPOINT_DIR=/data/work/42.7.2/.swarmlet-checkpoint",
        ] {
            #expect(lines.contains(line))
        }
        #expect(lines.contains("HOME=/home/ana") && lines.contains("USER=ana"))
        let homeless = plan().environment(AttemptPlan.Account(user: nil, name: "ana", home: nil))
        #expect(homeless.contains("HOME=/data/work/42.7.2"), "who has no home here is at home in the job's directory")
        #expect(!lines.contains { $0.hasPrefix("SWARMLET_RESUME=") })
        #expect(plan(resumedFrom: 3).environment(ana).contains("SWARMLET_RESUME=1"))
    }

    @Test("a job's own variables replace the usual ones but not what swarmlet says, and none is there twice")
    func ownVariables() {
        let own = [
            Label(name: "PATH", value: "/opt/bin"), Label(name: "LR", value: "0.1"), Label(name: "LR", value: "0.2"),
            Label(name: "SWARMLET_JOB_ID", value: "1"), Label(name: "CUDA_VISIBLE_DEVICES", value: "0,1,2"),
        ]
        let lines = plan(environment: own).environment(ana)
        #expect(lines.contains("PATH=/opt/bin") && lines.contains("LR=0.2"))
        #expect(lines.contains("SWARMLET_JOB_ID=42") && lines.contains("CUDA_VISIBLE_DEVICES="))
        let names = lines.map { $0.prefix { $0 != "=" } }
        #expect(Set(names).count == names.count)
    }

    @Test("a job sees its own devices, and simulated ones are no devices of CUDA's")
    func devices() {
        let real = GPU(index: 1, uuid: "GPU-b", model: "A100", memoryBytes: 80 << 30)
        let simulated = GPU(index: 2, uuid: "SIM-c", model: "A100", memoryBytes: 80 << 30, simulated: true)
        let first = plan(gpus: [real]).environment(ana)
        #expect(first.contains("CUDA_VISIBLE_DEVICES=GPU-b") && first.contains("SWARMLET_GPUS=1"))
        #expect(!first.contains("SWARMLET_GPUS_SIMULATED=1"))
        let second = plan(gpus: [simulated]).environment(ana)
        #expect(second.contains("CUDA_VISIBLE_DEVICES=") && second.contains("SWARMLET_GPUS=2"))
        #expect(second.contains("SWARMLET_GPUS_SIMULATED=1"))
    }

    @Test("what is asked of the supervisor is what was placed")
    func spec() throws {
        let host = HostCapabilities.probe()
        let spec = try plan(checkpoint: "/scratch/ckpt").spec(on: host, HostPolicy(), devices: [])
        #expect(spec.key == key && spec.arguments == ["train"] && spec.cpuMillis == 1_500)
        #expect(spec.memoryBytes == 3 << 30 && spec.isolation == host.isolation && spec.replaceable)
        #expect(spec.writableDirectories == ["/scratch/ckpt"])
        #expect(spec.grace == .seconds(10) && spec.timeLimit == nil)
    }

    // MARK: Network

    @Test("a stranger with the network is told of its proxy, unless it says otherwise; nobody else has one")
    func proxy() throws {
        func planned(
            _ profile: SandboxProfile, _ network: NetworkAccess?, setup: String? = "true", gang: GangSpec? = nil
        ) -> AttemptPlan {
            let own = [Label(name: "HTTPS_PROXY", value: "mine")]
            let sandbox = SandboxSpec(profile: profile, network: network, setup: setup)
            return plan(environment: own, sandbox: sandbox, gang: gang)
        }
        for network in [NetworkAccess.on, .setupOnly] {
            let plan = planned(.strict, network)
            let lines = plan.environment(ana)
            for line in ["http_proxy=http://127.0.0.1:3128", "HTTPS_PROXY=mine", "no_proxy=localhost,127.0.0.1,::1"] {
                #expect(lines.contains(line))
            }
            #expect(plan.hasProxy)
        }
        let gang = GangSpec(nodes: 2, tasksPerNode: 1)
        for plan in [
            planned(.strict, nil), planned(.strict, .off), planned(.standard, .on), planned(.standard, nil),
            planned(.strict, .on, gang: gang), planned(.strict, .setupOnly, setup: nil),
        ] {
            #expect(!plan.hasProxy && !plan.environment(ana).contains { $0.hasPrefix("http_proxy=") })
        }
    }

    // MARK: Users

    @Test("a daemon that is not root runs jobs as itself", .enabled(if: geteuid() != 0, "the tests run as root here"))
    func notRoot() throws {
        #expect(try plan(user: "ana", uid: 1_000).user() == nil)
    }

    @Test("root's own jobs run as nobody unless root asks for root", .enabled(if: geteuid() == 0, "needs root"))
    func rootsJobs() throws {
        let nobody = try #require(Accounts.user(named: "nobody"))
        #expect(try plan().user() == nobody)
        #expect(try plan(runAs: "root").user()?.user == 0)
    }

    @Test(
        "a submitter without an account here runs as nobody, whoever has the same number",
        .enabled(if: geteuid() == 0, "needs root"))
    func unknownSubmitter() throws {
        let nobody = try #require(Accounts.user(named: "nobody"))
        #expect(try plan(user: "no-such-user", uid: 1).user() == nobody)
        #expect(try plan(user: "root", uid: 1_000).user() == nobody, "somebody who is called root elsewhere")
    }

    @Test("a submitter with an account here runs as that account", .enabled(if: geteuid() == 0, "needs root"))
    func knownSubmitter() throws {
        let account = try #require(Accounts.user(named: "daemon"))
        #expect(try plan(user: "daemon", uid: 4_242).user() == account)
    }

    @Test("nobody but root runs jobs as root or as somebody else", .enabled(if: geteuid() == 0, "needs root"))
    func refused() throws {
        #expect(code { _ = try plan(user: "daemon", uid: 1, runAs: "root").user() } == "job.root_not_asked")
        #expect(code { _ = try plan(user: "daemon", uid: 1, runAs: "bin").user() } == "auth.denied")
        #expect(code { _ = try plan(runAs: "no-such-user").user() } == "job.user_unknown")
        #expect(try plan(runAs: "bin").user() == Accounts.user(named: "bin"))
    }
}
