import Codec
import Testing

@testable import Scheduler

struct PlacementTests {
    static let gibibyte: UInt64 = 1 << 30

    /// The lab of the first story: owl 1x RTX 4090, lynx 2x RTX 3090, crow 1x GTX 1080 Ti, newt none.
    static func lab() -> StateUnderTest {
        var mesh = StateUnderTest()
        let make = StateUnderTest.node
        let gpus = StateUnderTest.gpus
        mesh.found(make("owl", 1, 32, 125, gpus(1, "RTX 4090", 24)))
        mesh.run(.admit(make("lynx", 2, 24, 63, gpus(2, "RTX 3090", 24)), invitation: nil))
        mesh.run(.admit(make("crow", 3, 8, 31, gpus(1, "GTX 1080 Ti", 11)), invitation: nil))
        mesh.run(.admit(make("newt", 4, 64, 252, []), invitation: nil))
        return mesh
    }

    static func spec(cpus: UInt64 = 1, gpus: UInt32 = 0, gpuMemory: UInt64? = nil, memory: UInt64? = nil) -> JobSpec {
        var spec = JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources = Resources(
            cpuMillis: cpus * 1000, memoryBytes: memory.map { $0 << 30 }, gpus: gpus,
            gpuMemoryBytes: gpuMemory.map { $0 << 30 })
        return spec
    }

    @Test("memory that was not asked for is the share of the CPUs, at least 2 GiB, at most the node")
    func memoryRule() {
        let node = Capacity(cpuMillis: 32_000, memoryBytes: 128 << 30)
        #expect(MemoryRule.bytes(for: Resources(cpuMillis: 8_000), on: node) == 32 << 30)
        #expect(MemoryRule.bytes(for: Resources(cpuMillis: 100), on: node) == 2 << 30)
        #expect(MemoryRule.bytes(for: Resources(cpuMillis: .max), on: node) == 128 << 30)
        #expect(MemoryRule.bytes(for: Resources(memoryBytes: 5), on: node) == 5)
        #expect(MemoryRule.bytes(for: Resources(), on: Capacity(cpuMillis: 8_000, memoryBytes: 1 << 30)) == 1 << 30)
    }

    @Test("a job for a GPU goes where it leaves the fewest over, and a job without one where there is none")
    func bestFit() {
        var mesh = Self.lab()
        mesh.run(.submit(Self.spec(cpus: 4)))
        mesh.run(.submit(Self.spec(gpus: 1)))
        mesh.run(.submit(Self.spec(gpus: 1, gpuMemory: 20)))
        let nodes = Placement.plan(mesh.state).map { mesh.state.node($0.node)?.name }
        #expect(nodes == ["newt", "crow", "owl"])
    }

    @Test("GPU memory counts by the size a card is sold by, and small cards are not taken")
    func gpuMemory() {
        var mesh = Self.lab()
        for _ in 0..<4 { mesh.run(.submit(Self.spec(gpus: 1, gpuMemory: 24))) }
        let placements = Placement.plan(mesh.state)
        #expect(placements.map { mesh.state.node($0.node)?.name } == ["owl", "lynx", "lynx"])
        #expect(placements.map(\.gpus) == [[0], [0], [1]])
    }

    @Test("two GPUs are on one node, and a smaller job behind does not wait for them")
    func backfill() {
        var mesh = Self.lab()
        mesh.run(.submit(Self.spec(gpus: 2)))
        mesh.placeAll()
        mesh.run(.submit(Self.spec(gpus: 2)))
        mesh.run(.submit(Self.spec(gpus: 1, gpuMemory: 24)))
        #expect(Placement.plan(mesh.state).map(\.attempt.job) == [3])
        #expect(Placement.reason(mesh.state, job: 2) == "waits for 2 GPUs on one node")
        #expect(Placement.reason(mesh.state, job: 3) == "is being placed")
        #expect(Placement.reason(mesh.state, job: 1) == nil)
    }

    @Test("the leader is taken last among equals, and a holder of the files first")
    func ties() {
        var mesh = StateUnderTest("owl", "lynx", "crow")
        let job = mesh.submit()
        #expect(Placement.plan(mesh.state)[0].node == NodeID(1))
        #expect(Placement.plan(mesh.state, avoid: NodeID(1))[0].node == NodeID(2))
        var spec = Self.spec()
        spec.workingTree = .zero
        spec.submitNode = NodeID(3)
        mesh.run(.cancel(job, by: "ana"))
        mesh.run(.submit(spec))
        #expect(Placement.plan(mesh.state, avoid: NodeID(1))[0].node == NodeID(3))
        #expect(Placement.plan(mesh.state, mayTake: { $0 == NodeID(1) })[0].node == NodeID(1))
    }

    @Test("a node fills up before the next is begun, and no more than fits is placed")
    func packing() {
        var mesh = StateUnderTest("owl", "lynx", cpus: 4)
        _ = mesh.submit(tasks: 100)
        let placements = Placement.plan(mesh.state)
        #expect(placements.map(\.node.rawValue) == [1, 1, 1, 1, 2, 2, 2, 2])
        #expect(Placement.plan(mesh.state, limit: 3).count == 3)
        mesh.run(.place(placements + placements))
        #expect(mesh.state.attempts(on: NodeID(1)).count == 4)
        #expect(Placement.plan(mesh.state).isEmpty)
    }

    @Test("a placement that the state has overtaken is void")
    func voidPlacements() {
        var mesh = StateUnderTest("owl", "lynx", gpus: 1)
        let job = mesh.submit(gpus: 1)
        let good = Placement.plan(mesh.state)[0]
        var wrong = good
        wrong.attempt.attempt = 2
        mesh.run(.place([wrong]))
        wrong = good
        wrong.gpus = [7]
        mesh.run(.place([wrong]))
        wrong = good
        wrong.gpus = []
        mesh.run(.place([wrong]))
        wrong = good
        wrong.cpuMillis = 9_000
        mesh.run(.place([wrong]))
        #expect(mesh.task(job).state == .pending)
        mesh.run(.nodeLost(good.node))
        mesh.run(.place([good]))
        #expect(mesh.task(job).state == .pending)
        mesh.run(.nodeReturned(good.node))
        mesh.run(.place([good, good]))
        #expect(mesh.task(job).attempts.count == 1)
    }

    @Test("a host that could not start a task is not asked again while another can")
    func hostFailed() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit(retry: .times(1))
        let first = mesh.start(job)
        mesh.report(first, .ended(.hostFailed(code: "host.no_space", message: "the disk is full")))
        let second = mesh.start(job)
        #expect(mesh.state.attempt(second)?.node != mesh.state.attempt(first)?.node)
    }

    @Test("the reason says what a job waits for")
    func reasons() {
        var mesh = StateUnderTest("owl", "lynx", cpus: 8, gibibytes: 32)
        mesh.run(.submit(Self.spec(cpus: 6, memory: 20)))
        mesh.run(.submit(Self.spec(cpus: 6, memory: 20)))
        mesh.placeAll()
        mesh.run(.submit(Self.spec(cpus: 8, memory: 1)))
        #expect(Placement.reason(mesh.state, job: 3) == "waits for 8 CPUs")
        mesh.run(.submit(Self.spec(cpus: 1, memory: 30)))
        #expect(Placement.reason(mesh.state, job: 4) == "waits for 30 GiB of memory")
        mesh.run(.nodeLost(NodeID(1)))
        mesh.run(.nodeLost(NodeID(2)))
        #expect(Placement.reason(mesh.state, job: 3) == "no node takes work")
    }

    @Test("a million waiting tasks cost little and are cancelled at once")
    func largeArray() {
        var mesh = StateUnderTest("owl", cpus: 4)
        let job = mesh.submit(tasks: 1_000_000)
        #expect(mesh.state.pendingCount == 1_000_000)
        mesh.placeAll()
        #expect(mesh.state.encoded().count < 4_000)
        mesh.run(.cancel(job, by: "ana"))
        #expect(mesh.state.job(job)?.counts[.cancelled] == 999_996)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }
}
