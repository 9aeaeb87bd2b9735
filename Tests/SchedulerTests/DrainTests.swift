import Codec
import Testing

@testable import Scheduler

@Suite("Nodes that take no work")
struct DrainTests {
    private func drained(_ mesh: inout StateUnderTest, _ id: UInt64, _ kind: DrainOrder.Kind = .drain) {
        mesh.run(.drain(NodeID(id), DrainOrder(kind: kind, patience: 5, by: "sam", reason: "driver")))
    }

    @Test("nothing is placed on a drained or cordoned node, whoever decided it and when")
    func nothingNew() throws {
        var mesh = StateUnderTest("owl", "lynx")
        drained(&mesh, 1)
        let job = mesh.submit()
        let plan = Placement.plan(mesh.state)
        #expect(plan.map(\.node) == [NodeID(2)])
        drained(&mesh, 2, .cordon)
        mesh.run(.place(plan))
        #expect(mesh.state.attempts(on: NodeID(2)).isEmpty)
        #expect(Placement.plan(mesh.state).isEmpty)
        #expect(Placement.reason(mesh.state, job: job) == "no node takes work")
        mesh.run(.drain(NodeID(2), nil))
        mesh.run(.place(Placement.plan(mesh.state)))
        #expect(mesh.state.attempts(on: NodeID(2)).count == 1)
    }

    @Test("an attempt that moves away goes on elsewhere and counts as no failure")
    func moves() throws {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit()
        let key = try #require(mesh.placeAll().first)
        mesh.report(key, .running)
        drained(&mesh, mesh.state.attempt(key)!.node.rawValue)
        #expect(Placement.room(mesh.state, for: key.taskKey) != mesh.state.attempt(key)?.node)
        mesh.report(key, .ended(.moved))
        #expect(mesh.state.task(key.taskKey)?.state == .pending)
        let next = try #require(mesh.placeAll().first)
        #expect(next == AttemptKey(job: job, task: 0, attempt: 2))
        #expect(mesh.state.attempt(next)?.node != mesh.state.attempt(key)?.node)
    }

    @Test("an attempt that was ended although nobody cancelled its job has moved")
    func notCancelled() throws {
        var mesh = StateUnderTest("owl", "lynx")
        _ = mesh.submit()
        let key = try #require(mesh.placeAll().first)
        mesh.report(key, .running)
        mesh.report(key, .ended(.cancelled))
        #expect(mesh.state.task(key.taskKey)?.state == .pending)
        #expect(mesh.state.attempt(key)?.outcome == .moved)
    }

    @Test("a drain counts its patience from when it is applied, and its reason is cut")
    func order() {
        var mesh = StateUnderTest("owl")
        mesh.run(
            .drain(
                NodeID(1),
                DrainOrder(kind: .drain, since: 99, patience: 7, by: "sam", reason: String(repeating: "x", count: 999)))
        )
        let order = mesh.state.node(NodeID(1))?.drain
        #expect(order?.since == mesh.state.time)
        #expect(order?.deadline == mesh.state.time + 7)
        #expect(order?.reason.count == SchedulerLimits.drainReasonMax)
        #expect(mesh.state.node(NodeID(1))?.givesSeatAway == true)
    }

    @Test("nothing is placed on a host whose owner is there, and a job that only it could hold waits")
    func closed() {
        var mesh = StateUnderTest("owl", cpus: 2)
        var capacity = StateUnderTest.node("owl", key: 1, cpus: 2).capacity
        capacity.closed = String(repeating: "x", count: 999)
        mesh.run(.updateNode(NodeID(1), addresses: [], capacity: capacity, version: "2"))
        #expect(mesh.state.node(NodeID(1))?.capacity.closed?.count == SchedulerLimits.drainReasonMax)
        #expect(mesh.submit(cpus: 1) != 0)
        #expect(Placement.plan(mesh.state).isEmpty)
        capacity.closed = nil
        mesh.run(.updateNode(NodeID(1), addresses: [], capacity: capacity, version: "2"))
        #expect(Placement.plan(mesh.state).map(\.node) == [NodeID(1)])
    }

    @Test("labels are given and taken away one by one, and never more than a node may have")
    func labels() {
        var mesh = StateUnderTest("owl")
        func labels() -> [String]? { mesh.state.node(NodeID(1))?.labels.map { "\($0.name)=\($0.value)" } }
        mesh.run(.label(NodeID(1), set: [Label(name: "rack", value: "a"), Label(name: "b", value: "")], removed: []))
        #expect(labels() == ["b=", "rack=a"])
        mesh.run(.label(NodeID(1), set: [Label(name: "rack", value: "c")], removed: ["b", "none"]))
        #expect(labels() == ["rack=c"])
        let many = (0...SchedulerLimits.factsMax).map { Label(name: "n\($0)", value: "") }
        #expect(mesh.run(.label(NodeID(1), set: many, removed: [])).code == "node.labels.invalid")
        #expect(labels() == ["rack=c"])
        #expect(mesh.run(.label(NodeID(9), set: [], removed: [])).code != nil)
    }

    @Test("nothing is placed on a client, and a job that only a client could hold is refused")
    func client() {
        var mesh = StateUnderTest("owl", cpus: 2)
        var laptop = StateUnderTest.node("laptop", key: 9, cpus: 64)
        laptop.role = .client
        mesh.run(.admit(laptop, invitation: nil))
        _ = mesh.submit(cpus: 1)
        #expect(Placement.plan(mesh.state).map(\.node) == [NodeID(1)])
        #expect(mesh.submit(cpus: 8) == 0)
    }

    @Test("a revoked key is never admitted again, not even after a snapshot and after many others left")
    func revoked() throws {
        var mesh = StateUnderTest("owl", "lynx")
        mesh.run(.revoke(NodeID(2), by: "sam"))
        #expect(mesh.state.node(NodeID(2))?.takesWork == false)
        mesh.run(.nodeLost(NodeID(2)))
        mesh.run(.removeNode(NodeID(2)))
        for _ in 0..<(SchedulerLimits.departedMax + 2) {
            guard case .node(let id, _) = mesh.run(.admit(StateUnderTest.node("x", key: 7), invitation: nil)) else {
                Issue.record("not admitted")
                return
            }
            mesh.run(.removeNode(id))
        }
        mesh.state = try SchedulerState(encoded: mesh.state.encoded())
        let lynx = StateUnderTest.node("lynx", key: 2)
        #expect(mesh.run(.admit(lynx, invitation: nil)).code == "mesh.join.revoked")
        let knock = Knock(
            name: "lynx", identityKey: lynx.identityKey, noiseKey: lynx.noiseKey, shortID: "s", addresses: [],
            capacity: lynx.capacity)
        #expect(mesh.run(.knock(knock)).code == "mesh.join.revoked")
    }
}
