import Codec
import Testing

@testable import Scheduler

@Suite("Paused jobs")
struct PauseTests {
    @Test("tasks of a paused job get no place until it is resumed, whoever decided it and when")
    func noPlace() throws {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit(tasks: 2)
        let plan = Placement.plan(mesh.state)
        #expect(mesh.run(.pause(job, by: "ana")) == .ok)
        #expect(mesh.state.job(job)?.pausedBy == "ana")
        #expect(Placement.plan(mesh.state).isEmpty)
        mesh.run(.place(plan))
        #expect(mesh.task(job).attempts.isEmpty)
        #expect(mesh.state.brokenInvariants() == [])
        #expect(try SchedulerState(encoded: mesh.state.encoded()).digest == mesh.state.digest)
        mesh.run(.pause(job, by: nil))
        mesh.run(.place(plan))
        #expect(mesh.task(job).attempts.count == 1)
    }

    @Test("an attempt keeps its place while its job is paused, and a lost one waits for the resume")
    func keepsPlace() throws {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit()
        let key = mesh.start(job)
        mesh.run(.pause(job, by: "ana"))
        #expect(mesh.state.isLive(key))
        mesh.run(.nodeLost(try #require(mesh.state.attempt(key)?.node)))
        #expect(mesh.task(job).state == .pending)
        #expect(Placement.plan(mesh.state).isEmpty)
        let restored = try SchedulerState(encoded: mesh.state.encoded())
        #expect(Placement.plan(restored).isEmpty)
        mesh.run(.pause(job, by: nil))
        #expect(mesh.placeAll() == [AttemptKey(job: job, task: 0, attempt: 2)])
    }

    @Test("a cancelled job is not paused any more, and one that has ended cannot be paused")
    func ends() {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit()
        let key = mesh.start(job)
        mesh.run(.pause(job, by: "ana"))
        mesh.run(.cancel(job, by: "sam"))
        #expect(mesh.state.job(job)?.pausedBy == nil)
        mesh.report(key, .ended(.cancelled))
        #expect(mesh.run(.pause(job, by: "ana")).code == "job.ended")
        #expect(mesh.run(.pause(77, by: "ana")).code == "job.not_found")
    }

    @Test("pausing and usage need a mesh in which every member knows of them")
    func level() {
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        let usage = AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 1, usage: AttemptUsage())
        #expect(Command.pause(1, by: "ana").level == 3)
        #expect(Command.report(NodeID(1), [usage]).level == 3)
        #expect(Command.report(NodeID(1), [AttemptReport(attempt: key, kind: .running, at: 1)]).level == 1)
    }

    @Test("setups, devices, images and other users need a mesh in which every member knows of them")
    func levelFour() {
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        let setup = AttemptSetup(milliseconds: 5, use: .kept)
        let told = AttemptReport(attempt: key, kind: .running, at: 1, setup: setup)
        let used = AttemptReport(
            attempt: key, kind: .ended(.exited(0)), at: 1, usage: AttemptUsage(gpu: GPUUsage(utilisation: 9)))
        #expect(Command.report(NodeID(1), [told]).level == 4)
        #expect(Command.report(NodeID(1), [used]).level == 4)
        for sandbox in [SandboxSpec(image: "/srv/tiny"), SandboxSpec(user: 5), SandboxSpec(setup: "true")] {
            var spec = JobSpec(name: "job", command: ["true"], user: "ana", submitNode: NodeID(1))
            spec.sandbox = sandbox
            #expect(Command.submit(spec).level == (sandbox.setup == nil ? 4 : 2))
        }
    }

    @Test("what became of its setup stays with an attempt, and does not begin it anew")
    func setup() throws {
        var mesh = StateUnderTest("owl")
        let key = mesh.start(mesh.submit())
        let setup = AttemptSetup(milliseconds: 5, use: .reused, from: 3, reason: "so")
        mesh.run(.report(NodeID(1), [AttemptReport(attempt: key, kind: .running, at: 9, setup: setup)]))
        let other = AttemptSetup(milliseconds: 6, use: .ran)
        mesh.run(.report(NodeID(1), [AttemptReport(attempt: key, kind: .running, at: 10, setup: other)]))
        let attempt = try SchedulerState(encoded: mesh.state.encoded()).attempt(key)
        #expect(attempt?.setup == setup && attempt?.startedAt != 9)
        #expect(mesh.task(key.job).state == .running)
    }

    @Test("what an attempt used stays with it")
    func usage() throws {
        var mesh = StateUnderTest("owl")
        let key = mesh.start(mesh.submit())
        let usage = AttemptUsage(
            cpuMicroseconds: 1, peakMemoryBytes: 2, source: .groupVersion1,
            gpu: GPUUsage(utilisation: 50, peakMemoryBytes: 7, millijoules: 8))
        mesh.run(.report(NodeID(1), [AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 9, usage: usage)]))
        #expect(try SchedulerState(encoded: mesh.state.encoded()).attempt(key)?.usage == usage)
    }
}
