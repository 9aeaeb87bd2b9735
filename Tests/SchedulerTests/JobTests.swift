import Codec
import Testing

@testable import Scheduler

struct JobTests {
    @Test("a job is submitted, placed, run and ends with the exit code of its process")
    func life() throws {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit()
        #expect(job == 1)
        #expect(mesh.state.job(job)?.state == .pending)
        let key = mesh.placeAll()[0]
        #expect(mesh.state.job(job)?.state == .placed)
        mesh.report(key, .preparing)
        #expect(mesh.state.job(job)?.state == .preparing)
        mesh.report(key, .running)
        #expect(mesh.events.contains(.attemptStarted(key)))
        mesh.report(key, .ended(.exited(3)))
        #expect(mesh.state.job(job)?.state == .failed)
        #expect(mesh.state.job(job)?.exitCode == 3)
        #expect(mesh.events.last == .jobEnded(job))
        #expect(mesh.state.attempts(on: NodeID(1)).isEmpty && mesh.state.attempts(on: NodeID(2)).isEmpty)
    }

    @Test("a submit that brings its place is placed by the same entry, and only where it fits")
    func submitWithPlace() throws {
        var mesh = StateUnderTest("owl", "lynx", cpus: 2)
        var spec = JobSpec(name: "job", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: 2_000, memoryBytes: 1 << 30)
        spec.tasks = 2
        var entry = mesh.entry(.submit(spec))
        entry.placements = (0..<2).map { index in
            Placement(
                attempt: AttemptKey(job: 0, task: index, attempt: 1), node: NodeID(2), cpuMillis: 2_000,
                memoryBytes: 1 << 30)
        }
        let read = try Entry(encoded: entry.encoded())
        #expect(read == entry)
        #expect(mesh.run(read) == .job(1))
        #expect(mesh.task(1, 0).state == .placed)
        #expect(mesh.task(1, 1).state == .pending, "there is no room for both")
        #expect(mesh.run(read) == .job(1))
        #expect(mesh.state.attempts(on: NodeID(2)).count == 1, "asked twice, placed once")
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("what cannot be a job is refused with the code and the exit code of its kind")
    func refusals() {
        var mesh = StateUnderTest("owl")
        var spec = JobSpec(name: "", command: [], user: "ana", submitNode: NodeID(1))
        #expect(mesh.run(.submit(spec)).code == "job.no_command")
        spec.command = ["true"]
        spec.tasks = 0
        #expect(mesh.run(.submit(spec)).code == "job.no_tasks")
        spec.tasks = 1_000_001
        #expect(mesh.run(.submit(spec)).code == "job.too_many_tasks")
        spec.tasks = 1
        spec.environment = [Label(name: "A", value: String(repeating: "x", count: 300_000))]
        #expect(mesh.run(.submit(spec)).code == "job.too_large")
        #expect(mesh.run(.cancel(9, by: "ana")).exitCode == 3)
        #expect(mesh.state.jobs.isEmpty)
    }

    @Test("a request no member could ever hold names the nearest and the way out")
    func neverFits() {
        var mesh = StateUnderTest("owl")
        let lynx = StateUnderTest.node("lynx", key: 2, cpus: 24, gibibytes: 63, gpus: StateUnderTest.gpus(2))
        mesh.run(.admit(lynx, invitation: nil))
        var spec = JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources.gpus = 4
        let answer = mesh.run(.submit(spec))
        #expect(
            answer
                == .refused(
                    code: "job.never_fits",
                    message: "no member could ever hold a task that asks for 1 CPU and 4 GPUs: "
                        + "the nearest is lynx with 24 CPUs, 63 GiB, 2x RTX 3090 24 GiB",
                    hint: "it fits with --gpus 2. To wait for a larger host: --allow-pending"))
        #expect(answer.exitCode == 2)
        spec.allowPending = true
        #expect(mesh.run(.submit(spec)) == .job(1))
        #expect(Placement.plan(mesh.state).isEmpty)
    }

    @Test("a lost member still counts as one that could hold a job")
    func lostMemberCouldHold() {
        var mesh = StateUnderTest("owl", gpus: 1)
        mesh.run(.nodeLost(NodeID(1)))
        #expect(mesh.submit(gpus: 1) == 1)
    }

    @Test("failures are retried as often as the policy says, then the job fails")
    func retries() {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit(retry: .times(2))
        for attempt: UInt32 in 1...3 {
            let key = mesh.start(job)
            #expect(key.attempt == attempt)
            mesh.report(key, .ended(.exited(1)))
            #expect(mesh.task(job).state == (attempt < 3 ? .pending : .failed))
        }
        #expect(mesh.state.job(job)?.exitCode == 1)
    }

    @Test("a lost host is retried without counting as a failure")
    func lostHost() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit(retry: .times(0))
        let first = mesh.start(job)
        let node = mesh.state.attempt(first)!.node
        mesh.run(.nodeLost(node))
        #expect(mesh.events.contains(.attemptLost(first, node)))
        #expect(mesh.task(job).state == .pending)
        #expect(mesh.task(job).failures == 0)
        let second = mesh.start(job)
        #expect(second.attempt == 2)
        #expect(mesh.state.attempt(second)?.node != node)
        mesh.report(first, .ended(.exited(0)))
        #expect(mesh.state.staleReports == 1)
        #expect(mesh.task(job).state == .running)
    }

    @Test("work that may never run twice is unknown while its host is lost and goes on when it is back")
    func neverTwice() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit(retry: .never)
        let key = mesh.start(job)
        let node = mesh.state.attempt(key)!.node
        mesh.run(.nodeLost(node))
        #expect(mesh.task(job).state == .unknown)
        #expect(mesh.placeAll().isEmpty)
        mesh.run(.nodeReturned(node))
        mesh.report(key, .running)
        #expect(mesh.task(job).state == .running)
        mesh.report(key, .ended(.lost))
        #expect(mesh.task(job).state == .failed)
        #expect(mesh.state.job(job)?.exitCode == 75)
    }

    @Test("work that may never run twice fails when its host leaves for good")
    func neverTwiceAndGone() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit(retry: .never)
        let key = mesh.start(job)
        mesh.run(.removeNode(mesh.state.attempt(key)!.node))
        #expect(mesh.task(job).state == .failed)
        #expect(mesh.state.job(job)?.exitCode == 75)
    }

    @Test("cancelling ends waiting tasks at once and running ones when their node reports")
    func cancelling() {
        var mesh = StateUnderTest("owl", cpus: 2)
        let job = mesh.submit(tasks: 1000)
        let running = mesh.placeAll()
        #expect(running.count == 2)
        #expect(mesh.run(.cancel(job, by: "ana")) == .ok)
        #expect(mesh.state.job(job)?.counts[.cancelled] == 998)
        #expect(mesh.state.job(job)?.isEnded == false)
        #expect(mesh.state.pendingCount == 0)
        mesh.report(running[0], .ended(.exited(0)))
        mesh.report(running[1], .ended(.signalled(15)))
        let record = mesh.state.job(job)
        #expect(record?.isEnded == true)
        #expect(record?.counts[.succeeded] == 1)
        #expect(record?.exitCode == 130)
        #expect(mesh.run(.cancel(job, by: "ana")).code == "job.ended")
    }

    @Test("a cancelled job whose host is lost is not tried again")
    func cancelledAndLost() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit()
        let key = mesh.start(job)
        mesh.run(.cancel(job, by: "ana"))
        mesh.run(.nodeLost(mesh.state.attempt(key)!.node))
        #expect(mesh.task(job).state == .cancelled)
        #expect(mesh.state.job(job)?.exitCode == 130)
    }

    @Test("the exit code of an array is that of the first task that failed")
    func arrayExitCode() {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit(tasks: 3)
        let keys = mesh.placeAll()
        mesh.report(keys[2], .ended(.exited(5)))
        mesh.report(keys[0], .ended(.exited(4)))
        mesh.report(keys[1], .ended(.exited(0)))
        #expect(mesh.state.job(job)?.exitCode == 5)
    }

    @Test("a request that comes again gets the same answer and has no second effect")
    func sameRequest() {
        var mesh = StateUnderTest("owl")
        let spec = JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))
        let entry = mesh.entry(.submit(spec))
        #expect(mesh.run(entry) == .job(1))
        let before = mesh.state.digest
        #expect(mesh.run(entry) == .job(1))
        #expect(mesh.events.isEmpty)
        #expect(mesh.state.digest == before)
    }

    @Test("ended jobs are forgotten after a week, and their working trees with them")
    func forgetting() {
        var mesh = StateUnderTest("owl")
        var spec = JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.workingTree = BLAKE3.hash([1])
        mesh.run(.submit(spec))
        let other = mesh.submit()
        #expect(mesh.state.holders(ofTree: BLAKE3.hash([1])) == [NodeID(1)])
        mesh.run(.cancel(1, by: "ana"))
        mesh.passTime(seconds: 8 * 86_400)
        #expect(mesh.state.job(1) == nil)
        #expect(mesh.state.job(other) != nil)
        #expect(mesh.state.holders(ofTree: BLAKE3.hash([1])).isEmpty)
    }
}
