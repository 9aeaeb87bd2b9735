import Codec
import Testing

@testable import Scheduler

/// Jobs whose tasks start together or not at all.
struct GangTests {
    private func gang(_ nodes: UInt32, _ tasks: UInt32 = 1) throws -> GangSpec {
        try #require(GangSpec(nodes: nodes, tasksPerNode: tasks))
    }

    private func spec(
        _ gang: GangSpec, cpus: UInt64 = 1, gpus: UInt32 = 0, retry: RetryPolicy = .times(0)
    ) -> JobSpec {
        var spec = JobSpec(name: "gang", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: cpus * 1000, memoryBytes: 1 << 30, gpus: gpus)
        spec.gang = gang
        spec.tasks = gang.ranks
        spec.retry = retry
        spec.checkpoint = CheckpointPolicy(directory: "ckpt")
        return spec
    }

    private func job(_ answer: Answer) throws -> JobID {
        guard case .job(let id) = answer else { throw CodecError.invalid("\(answer)") }
        return id
    }

    private func end(_ mesh: inout StateUnderTest, _ keys: [AttemptKey], _ outcome: Outcome) {
        for key in keys { mesh.report(key, .ended(outcome)) }
    }

    private func states(_ mesh: StateUnderTest, _ job: JobID) -> [TaskState] {
        (0..<(mesh.state.job(job)?.spec.tasks ?? 0)).map { mesh.task(job, $0).state }
    }

    @Test("all ranks are placed at once: as many on each node as asked, no node twice, no device twice")
    func placed() throws {
        var mesh = StateUnderTest("a", "b", "c", gpus: 2)
        let id = try job(mesh.run(.submit(spec(try gang(2, 2), gpus: 1))))
        #expect(mesh.placeAll() == (0..<4).map { AttemptKey(job: id, task: $0, attempt: 1) })
        let attempts = (0..<4).compactMap { mesh.task(id, $0).liveAttempt }
        #expect(attempts[0].node == attempts[1].node && attempts[2].node == attempts[3].node)
        #expect(attempts[0].node != attempts[2].node)
        #expect(attempts.map(\.gpus) == [[0], [1], [0], [1]])
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a gang that does not fit whole is not placed in part, and says what it waits for")
    func waits() throws {
        var mesh = StateUnderTest("a", "b", cpus: 4)
        let small = mesh.submit(cpus: 3)
        let held = mesh.start(small)
        let id = try job(mesh.run(.submit(spec(try gang(2, 2), cpus: 2))))
        #expect(mesh.placeAll().isEmpty)
        #expect(
            Placement.reason(mesh.state, job: id)
                == "waits for 2 nodes with 4 CPUs and 2 GiB each; free on 1 of 2")
        mesh.report(held, .ended(.exited(0)))
        #expect(mesh.placeAll().count == 4)
    }

    @Test("placements of a part of a gang, or of ranks where they do not belong, are void")
    func partial() throws {
        var mesh = StateUnderTest("a", "b", "c")
        let id = try job(mesh.run(.submit(spec(try gang(2, 2)))))
        let whole = Placement.plan(mesh.state)
        var oneNode = whole
        for index in oneNode.indices { oneNode[index].node = NodeID(1) }
        var mixed = whole
        mixed[1].node = NodeID(3)
        var late = whole
        late[3].attempt.attempt = 2
        var large = whole
        large[3].cpuMillis = 8_000
        for wrong in [Array(whole.dropLast()), [whole[2]], whole.reversed(), oneNode, mixed, late, large] {
            mesh.run(.place(wrong))
            #expect(states(mesh, id) == [.pending, .pending, .pending, .pending])
        }
        mesh.run(.place(whole))
        #expect(states(mesh, id) == [.placed, .placed, .placed, .placed])
    }

    @Test("small jobs that come later do not take what a waiting gang needs, and use what it does not need")
    func reserved() throws {
        var mesh = StateUnderTest("a", "b", cpus: 4)
        let first = mesh.start(mesh.submit(cpus: 2))
        let other = try #require(mesh.state.attempt(first)?.node == NodeID(1) ? NodeID(2) : NodeID(1))
        let id = try job(mesh.run(.submit(spec(try gang(2), cpus: 3))))
        for _ in 0..<3 { _ = mesh.submit(cpus: 1) }
        // One CPU of the free node is more than the gang needs; the node that is half taken has nothing left over.
        let placed = mesh.placeAll()
        #expect(placed.count == 1)
        #expect(placed.allSatisfy { mesh.state.attempt($0)?.node == other })
        mesh.report(first, .ended(.exited(0)))
        #expect(mesh.placeAll().filter { $0.job == id }.count == 2)
    }

    @Test("room stays kept for a gang that waits in front of more jobs than one round looks at")
    func reservedBehindMany() throws {
        var mesh = StateUnderTest("a", "b", cpus: 4)
        let first = mesh.start(mesh.submit(cpus: 2))
        let id = try job(mesh.run(.submit(spec(try gang(2), cpus: 4))))
        var late: JobID = 0
        for _ in 0..<3 { late = mesh.submit(cpus: 2) }
        var round = PlacementRound(limit: 10, after: late - 1, reserved: id)
        while !round.advance(mesh.state) {}
        #expect(round.placements.isEmpty && round.reservedFor == id)
        mesh.report(first, .ended(.exited(0)))
        #expect(Placement.plan(mesh.state).map(\.attempt.job) == [id, id])
    }

    @Test("a gang of which one rank has to go is told as one, before any of them has ended, and moves as one")
    func movesAsOne() throws {
        var mesh = StateUnderTest("a", "b", "c")
        let id = try job(mesh.run(.submit(spec(try gang(2, 2)))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        #expect(mesh.run(.moveGang(AttemptKey(ranks[3].taskKey, attempt: 2))).code == "job.attempt_stale")
        #expect(mesh.run(.moveGang(ranks[3])) == .ok)
        #expect(mesh.state.job(id)?.gang?.ending?.outcome == .moved)
        #expect(states(mesh, id) == [.running, .running, .running, .running])
        end(&mesh, [ranks[3], ranks[0], ranks[1]], .moved)
        #expect(mesh.placeAll().isEmpty, "one of them has not ended")
        // It failed because the others were gone, which is no failure of its own.
        end(&mesh, [ranks[2]], .exited(9))
        #expect(states(mesh, id) == [.pending, .pending, .pending, .pending])
        #expect(mesh.placeAll().map(\.attempt) == [2, 2, 2, 2])
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a gang whose ranks were all done when they were asked to go has succeeded")
    func doneWhenMoved() throws {
        var mesh = StateUnderTest("a", "b", "c")
        let id = try job(mesh.run(.submit(spec(try gang(2)))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        mesh.run(.moveGang(ranks[0]))
        end(&mesh, ranks, .exited(0))
        #expect(states(mesh, id) == [.succeeded, .succeeded])
        #expect(mesh.state.job(id)?.isEnded == true)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a rank that fails ends the gang: all begin anew when the last has ended, and not before")
    func restart() throws {
        var mesh = StateUnderTest("a", "b")
        let id = try job(mesh.run(.submit(spec(try gang(2, 2), retry: .times(1)))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        mesh.report(ranks[0], .ended(.exited(0)))
        mesh.report(ranks[2], .ended(.exited(3)))
        #expect(
            mesh.state.job(id)?.gang?.ending == GangEnding(rank: 2, outcome: .exited(3), isFinal: false))
        #expect(states(mesh, id) == [.succeeded, .running, .pending, .running])
        #expect(mesh.placeAll().isEmpty)
        end(&mesh, [ranks[1]], .gangEnded)
        #expect(mesh.placeAll().isEmpty)
        end(&mesh, [ranks[3]], .exited(1))
        #expect(mesh.state.job(id)?.gang == nil)
        #expect(mesh.placeAll().map(\.attempt) == [2, 2, 2, 2])
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("the exit code is that of the first rank that failed; the others are cancelled, what succeeded stays")
    func fails() throws {
        var mesh = StateUnderTest("a", "b")
        let id = try job(mesh.run(.submit(spec(try gang(2, 2)))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        mesh.report(ranks[3], .ended(.exited(0)))
        mesh.report(ranks[1], .ended(.exited(7)))
        mesh.report(ranks[0], .ended(.exited(9)))
        mesh.report(ranks[2], .ended(.gangEnded))
        #expect(states(mesh, id) == [.cancelled, .failed, .cancelled, .succeeded])
        #expect(mesh.state.job(id)?.exitCode == 7)
        #expect(mesh.state.job(id)?.state == .failed)
    }

    @Test("failures of all ranks count together for --retry, lost hosts do not")
    func retries() throws {
        var mesh = StateUnderTest("a", "b", "c")
        let id = try job(mesh.run(.submit(spec(try gang(2), retry: .times(1)))))
        var ranks = mesh.placeAll()
        end(&mesh, [ranks[0]], .exited(1))
        end(&mesh, [ranks[1]], .gangEnded)
        ranks = mesh.placeAll()
        let lost = try #require(mesh.state.attempt(ranks[1])?.node)
        mesh.run(.nodeLost(lost))
        #expect(states(mesh, id) == [.placed, .pending])
        end(&mesh, [ranks[0]], .gangEnded)
        ranks = mesh.placeAll()
        #expect(ranks.map(\.attempt) == [3, 3])
        end(&mesh, [ranks[1]], .exited(5))
        end(&mesh, [ranks[0]], .gangEnded)
        #expect(mesh.state.job(id)?.exitCode == 5)
    }

    @Test("ranks that fail because the host of another one was lost do not count: the gang begins anew without --retry")
    func lostHost() throws {
        var mesh = StateUnderTest("a", "b", "c")
        _ = try job(mesh.run(.submit(spec(try gang(2, 2)))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        end(&mesh, [ranks[0]], .exited(1))
        end(&mesh, [ranks[1]], .gangEnded)
        #expect(mesh.placeAll().isEmpty)
        mesh.run(.nodeLost(try #require(mesh.state.attempt(ranks[2])?.node)))
        #expect(mesh.placeAll().map(\.attempt) == [2, 2, 2, 2])
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("with --retry never a rank on a lost host is unknown; what fails then ends the gang for good")
    func never() throws {
        var mesh = StateUnderTest("a", "b")
        let id = try job(mesh.run(.submit(spec(try gang(2), retry: .never))))
        let ranks = mesh.placeAll()
        for key in ranks { mesh.report(key, .running) }
        mesh.run(.nodeLost(try #require(mesh.state.attempt(ranks[1])?.node)))
        #expect(states(mesh, id) == [.running, .unknown])
        mesh.report(ranks[0], .ended(.exited(2)))
        #expect(states(mesh, id) == [.failed, .cancelled])
        #expect(mesh.state.job(id)?.exitCode == 2)
    }

    @Test("a cancelled gang ends, whatever it was doing")
    func cancelled() throws {
        var mesh = StateUnderTest("a", "b")
        let id = try job(mesh.run(.submit(spec(try gang(2), retry: .times(3)))))
        let ranks = mesh.placeAll()
        end(&mesh, [ranks[0]], .exited(1))
        mesh.run(.cancel(id, by: "ana"))
        #expect(states(mesh, id) == [.cancelled, .placed])
        end(&mesh, [ranks[1]], .gangEnded)
        #expect(mesh.state.job(id)?.exitCode == 130)
        #expect(mesh.placeAll().isEmpty)
    }

    @Test("ranks may start when all of them are ready and rank 0 has said where it is met; each attempt meets anew")
    func ready() throws {
        var mesh = StateUnderTest("a", "b")
        let spec = spec(try gang(2), retry: .times(1))
        let id = try job(mesh.run(.submit(spec)))
        let gang = try #require(spec.gang)
        let ranks = mesh.placeAll()
        let point = MeetingPoint(address: "10.0.0.1", port: 21_000)
        mesh.run(.rankReady(ranks[1], nil))
        #expect(mesh.state.job(id)?.gang?.mayStart(gang) == false)
        mesh.run(.rankReady(ranks[0], point))
        mesh.run(.rankReady(ranks[0], MeetingPoint(address: "10.0.0.9", port: 9)))
        #expect(mesh.state.job(id)?.gang?.mayStart(gang) == true)
        #expect(mesh.state.job(id)?.gang?.meeting == point)
        end(&mesh, [ranks[1]], .exited(1))
        #expect(mesh.state.job(id)?.gang?.mayStart(gang) == false)
        end(&mesh, [ranks[0]], .gangEnded)
        #expect(mesh.run(.rankReady(ranks[0], point)).code == "job.attempt_stale")
        mesh.placeAll()
        #expect(mesh.run(.rankReady(ranks[0], point)).code == "job.attempt_stale")
        #expect(mesh.state.job(id)?.gang == GangRecord(attempt: 2))
    }

    @Test("all ranks go on from the checkpoint of rank 0")
    func checkpoint() throws {
        var mesh = StateUnderTest("a", "b", "c")
        _ = try job(mesh.run(.submit(spec(try gang(2), retry: .times(1)))))
        let ranks = mesh.placeAll()
        let checkpoint = Checkpoint(number: 4, attempt: 1, tree: .zero, bytes: 1, holders: [NodeID(1), NodeID(3)])
        mesh.run(.checkpoint(ranks[0], checkpoint))
        end(&mesh, [ranks[1]], .exited(1))
        end(&mesh, [ranks[0]], .gangEnded)
        let next = mesh.placeAll()
        #expect(next.compactMap { mesh.state.attempt($0)?.resumedFrom } == [4, 4])
    }

    @Test("what the members could never hold is refused, and says who could")
    func refused() throws {
        var mesh = StateUnderTest("a", "b", cpus: 4, gpus: 2)
        guard case .refused(let code, let message, let hint) = mesh.run(.submit(spec(try gang(3, 2), gpus: 1))) else {
            Issue.record("three nodes where there are two")
            return
        }
        #expect(code == "job.never_fits")
        #expect(
            message == "the mesh could never hold a gang that asks for 3 nodes with 2 CPUs, 2 GiB and 2 GPUs each: "
                + "only a and b could; it has no other members")
        #expect(hint == "it fits with --nodes 2. To wait for another host: --allow-pending")
        #expect(mesh.run(.submit(spec(try gang(1, 5)))).code == "job.never_fits")
        var apart = spec(try gang(2))
        apart.sandbox = SandboxSpec(profile: .strict)
        #expect(mesh.run(.submit(apart)).code == "job.gang_without_network")
        var wrong = spec(try gang(2))
        wrong.tasks = 3
        #expect(mesh.run(.submit(wrong)).code == "job.bad_gang")
    }

    @Test("an MPI program waits for a level that every host knows it by, and survives encoding")
    func encodedForMPI() throws {
        let gang = try gang(2, 8)
        var spec = spec(gang)
        #expect(Command.submit(spec).level == 3)
        spec.gang = gang.forMPI
        spec.tasks = 2
        #expect(Command.submit(spec).level == 7)
        let read = try JobSpec(encoded: spec.encoded())
        #expect(read == spec && read.gang?.usesMPI == true && read.gang?.tasksPerNode == 1)
        // Who brings nothing new writes what was written before.
        #expect(try GangSpec(encoded: gang.encoded()) == gang && gang.encoded().count < gang.forMPI.encoded().count)
    }

    @Test("a gang is a matter of level 3, and survives encoding, snapshots and snapshots of before")
    func encoded() throws {
        var mesh = StateUnderTest("a", "b")
        let spec = spec(try gang(2, 2))
        #expect(Command.submit(spec).level == 3)
        #expect(try JobSpec(encoded: spec.encoded()) == spec)
        #expect(GangSpec(nodes: 0) == nil && GangSpec(nodes: 33, tasksPerNode: 32) == nil)
        let id = try job(mesh.run(.submit(spec)))
        let ranks = mesh.placeAll()
        mesh.run(.rankReady(ranks[0], MeetingPoint(address: "::1", port: 5)))
        mesh.report(ranks[3], .ended(.signalled(9)))
        let restored = try SchedulerState(encoded: mesh.state.encoded())
        #expect(restored.job(id)?.gang == mesh.state.job(id)?.gang)
        #expect(restored.job(id)?.gang?.ending?.rank == 3)
    }
}
