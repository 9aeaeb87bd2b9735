import Codec
import Testing

@testable import Scheduler

@Suite("Why a job waits, node by node")
struct ExplanationTests {
    @Test("each node says what it lacks, a dead one for how long, and what could be asked instead is named")
    func waits() throws {
        var mesh = StateUnderTest()
        mesh.found(StateUnderTest.node("owl", key: 1, cpus: 32, gpus: StateUnderTest.gpus(1)))
        let (newt, lynx) = (NodeID(2), NodeID(3))
        mesh.run(.admit(StateUnderTest.node("newt", key: 2, cpus: 64), invitation: nil))
        mesh.run(.admit(StateUnderTest.node("lynx", key: 3, gpus: StateUnderTest.gpus(2)), invitation: nil))
        let job = mesh.submit(gpus: 2)
        mesh.run(.nodeLost(lynx))
        let now = mesh.state.time + 250_000_000_000
        let found = try #require(Placement.explain(mesh.state, job: job, now: now))
        #expect(found.rows.map(\.node) == [NodeID(1), newt, lynx])
        #expect(found.rows.map(\.reason) == ["has 1 GPU", "has no GPU", "dead for 4m10s; would fit"])
        #expect(found.rows.map(\.freeGPUs) == [1, 0, nil])
        #expect(found.startsWhen == "lynx returns")
        #expect(found.startsNow == "--gpus 1 (owl, 1x RTX 3090 24 GiB)")
    }

    @Test("a job that has its place waits for nothing")
    func runs() {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit()
        mesh.placeAll()
        #expect(Placement.explain(mesh.state, job: job, now: 0) == nil)
    }
}
