import Codec
import Testing

@testable import Scheduler

@Suite("Tasks that wait on a node for the room of their own job")
struct WaitingTests {
    private let owl = NodeID(1)

    /// An array on a node of two CPUs: tasks 0 and 1 run, 2 and 3 wait behind them.
    private func array(tasks: UInt32 = 6) -> (mesh: StateUnderTest, job: JobID) {
        var mesh = StateUnderTest("owl", cpus: 2)
        let job = mesh.submit(tasks: tasks)
        mesh.placeAll()
        for task in 0..<2 { mesh.report(key(job, UInt32(task)), .running) }
        mesh.run(.place([waiting(job, 2), waiting(job, 3)]))
        return (mesh, job)
    }

    private func key(_ job: JobID, _ task: UInt32, attempt: UInt32 = 1) -> AttemptKey {
        AttemptKey(job: job, task: task, attempt: attempt)
    }

    private func waiting(_ job: JobID, _ task: UInt32) -> Placement {
        Placement(attempt: key(job, task), node: owl, cpuMillis: 1_000, memoryBytes: 1 << 30, waits: true)
    }

    @Test("they hold nothing until an attempt of their job ends, whose room they take over in their turn")
    func takesOver() {
        var (mesh, job) = array()
        #expect(mesh.task(job, 2).state == .placed)
        #expect(mesh.state.freeCapacity(of: owl)?.cpuMillis == 0)
        #expect(mesh.state.rooms(of: job, on: owl) == 2)
        mesh.report(key(job, 1), .ended(.exited(0)))
        #expect(mesh.task(job, 2).liveAttempt?.turn == nil)
        #expect(mesh.task(job, 3).liveAttempt?.turn != nil)
        #expect(mesh.state.rooms(of: job, on: owl) == 2)
        #expect(mesh.state.freeCapacity(of: owl)?.cpuMillis == 0)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("one that began before the mesh heard of the end it waited for loses nothing")
    func beganEarly() {
        var (mesh, job) = array()
        mesh.report(key(job, 2), .running)
        mesh.report(key(job, 2), .ended(.exited(0)))
        #expect(mesh.task(job, 2).state == .succeeded)
        #expect(mesh.state.brokenInvariants().isEmpty)
        mesh.report(key(job, 0), .ended(.exited(0)))
        #expect(mesh.task(job, 3).liveAttempt?.turn == nil)
        #expect(mesh.state.rooms(of: job, on: owl) == 2)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("nobody waits for room that no attempt of the job has, nor with GPUs")
    func refused() {
        var mesh = StateUnderTest("owl", cpus: 2, gpus: 1)
        let job = mesh.submit(tasks: 2)
        mesh.run(.place([waiting(job, 0)]))
        #expect(mesh.task(job, 0).state == .pending)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("one that is given back waits for a place again and has not failed")
    func givenBack() {
        var (mesh, job) = array()
        mesh.report(key(job, 2), .ended(.returned))
        #expect(mesh.task(job, 2).state == .pending)
        #expect(mesh.task(job, 2).failures == 0)
        #expect(mesh.state.rooms(of: job, on: owl) == 2)
        mesh.report(key(job, 0), .ended(.exited(0)))
        #expect(mesh.task(job, 3).liveAttempt?.turn == nil)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("with their node they are lost like the others")
    func nodeLost() {
        var (mesh, job) = array()
        mesh.run(.nodeLost(owl))
        #expect((0..<4).allSatisfy { mesh.task(job, $0).state == .pending })
        #expect(mesh.state.attempts(on: owl).isEmpty)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("the line stays as it is in a snapshot")
    func snapshot() throws {
        let (mesh, job) = array()
        var restored = try SchedulerState(encoded: mesh.state.encoded())
        #expect(restored.digest == mesh.state.digest)
        #expect(restored.brokenInvariants().isEmpty)
        let report = AttemptReport(attempt: key(job, 1), kind: .ended(.exited(0)), at: restored.time)
        _ = restored.apply(
            Entry(request: RequestID(high: 1, low: 1), time: restored.time, command: .report(owl, [report])))
        #expect(restored.task(TaskKey(job: job, index: 2))?.liveAttempt?.turn == nil)
    }

    @Test("the first job that could use the room is placed ahead, as deep as it may be, and no later one")
    func plannedAhead() {
        var mesh = StateUnderTest("owl", cpus: 2)
        let first = mesh.submit(tasks: 50)
        let later = mesh.submit(tasks: 50)
        mesh.placeAll()
        let plan = Placement.plan(mesh.state, ahead: { _ in 4 })
        #expect(plan.count == 8)
        #expect(plan.allSatisfy { $0.waits && $0.attempt.job == first })
        #expect(plan.map(\.attempt.task) == Array(2..<10))
        mesh.run(.place(plan))
        #expect(mesh.state.brokenInvariants().isEmpty)
        #expect(Placement.plan(mesh.state, ahead: { $0 == later ? 4 : 0 }).isEmpty)
        #expect(Placement.plan(mesh.state, ahead: { _ in 4 }).isEmpty, "the line is full")
    }

    @Test("a job that waits for more than there is now is not passed by the line of a smaller one")
    func largerJobFirst() {
        var mesh = StateUnderTest("owl", cpus: 2)
        let small = mesh.submit(tasks: 1)
        mesh.placeAll()
        let large = mesh.submit(cpus: 2)
        let array = mesh.submit(tasks: 50)
        mesh.placeAll()
        #expect(mesh.task(small).state == .placed && mesh.task(large).state == .pending)
        #expect(mesh.task(array, 0).state == .placed)
        #expect(Placement.plan(mesh.state, ahead: { _ in 4 }).isEmpty)
    }
}
