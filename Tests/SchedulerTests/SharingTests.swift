import CLinux
import Codec
import Testing

@testable import Scheduler

/// What a copy of the state shares with it, and what a waiting task costs: structure, not time.
struct SharingTests {
    private static func places<Key, Row>(_ table: PagedTable<Key, Row>) -> Set<UnsafeRawPointer?> {
        Set(table.pagePlaces)
    }

    private static func places(_ tasks: TaskTable) -> Set<UnsafeRawPointer?> {
        Set(tasks.pages.map { page in page.withUnsafeBytes { $0.baseAddress } })
    }

    @Test("the first write to a table after a copy moves one page")
    func tableWrite() throws {
        var table = PagedTable<Int, [Int]>()
        for key in 0..<100_000 { table.set(key, [key]) }
        let copy = table
        #expect(Self.places(copy) == Self.places(table))
        try table[#require(table.find(50_000))].append(1)
        #expect(Self.places(table).subtracting(Self.places(copy)).count == 1)
        table.remove(77)
        #expect(Self.places(table).subtracting(Self.places(copy)).count == 2)
        #expect(copy[50_000] == [50_000])
    }

    @Test("an entry after a copy of a large state moves a handful of pages, whatever it is")
    func entries() {
        var mesh = StateUnderTest("owl", "fox", cpus: 64, gibibytes: 256)
        for _ in 0..<2_000 { _ = mesh.submit() }
        let array = mesh.submit(tasks: 100_000)
        let placements = (0..<200).map {
            AttemptKey(job: array, task: UInt32($0 * 500), attempt: 1)
        }
        for key in placements {
            mesh.run(.place([Placement(attempt: key, node: NodeID(1), cpuMillis: 1_000, memoryBytes: 1 << 30)]))
            mesh.report(key, .ended(.lost))
        }
        let again = placements.map { AttemptKey($0.taskKey, attempt: 2) }
        let commands: [Command] = [
            .place([Placement(attempt: again[9], node: NodeID(1), cpuMillis: 1_000, memoryBytes: 1 << 30)]),
            .report(NodeID(1), [AttemptReport(attempt: again[9], kind: .running, at: 5)]),
            .report(NodeID(1), [AttemptReport(attempt: again[9], kind: .ended(.exited(0)), at: 6)]),
            .submit(JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))),
            .cancel(array, by: "ana"),
            .nodeLost(NodeID(2)),
            .tick,
        ]
        for command in commands {
            let copy = mesh.state
            mesh.run(command)
            var moved = Self.places(mesh.state.jobRows).subtracting(Self.places(copy.jobRows)).count
            moved += Self.places(mesh.state.nodeRows).subtracting(Self.places(copy.nodeRows)).count
            if let now = mesh.state.jobRows[array], let before = copy.jobRows[array] {
                moved += Self.places(now.tasks).subtracting(Self.places(before.tasks)).count
            }
            #expect(moved <= 3, "\(command)")
        }
    }

    @Test("cancelling a job that waits writes none of its tasks")
    func cancelWritesNothing() throws {
        var mesh = StateUnderTest("owl")
        let job = mesh.submit(tasks: 10_000)
        for key in mesh.placeAll() { mesh.report(key, .ended(.lost)) }
        let before = try #require(mesh.state.jobRows[job]).tasks
        mesh.run(.cancel(job, by: "ana"))
        let after = try #require(mesh.state.jobRows[job]).tasks
        #expect(Self.places(before) == Self.places(after))
        #expect(mesh.state.job(job)?.state == .cancelled)
        #expect(mesh.task(job, 0).state == .cancelled)
        #expect(mesh.task(job, 9_999).state == .cancelled)
        #expect(mesh.events.contains(.waitingTasksCancelled(job)))
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("the attempts of a lost node are given up a few hundred per entry, and none is forgotten")
    func largeNode() {
        var mesh = StateUnderTest("owl", cpus: 1_000, gibibytes: 2_000)
        let job = mesh.submit(tasks: 900)
        #expect(mesh.placeAll().count == 900)
        mesh.run(.admit(StateUnderTest.node("fox", key: 9), invitation: nil))
        mesh.run(.nodeLost(NodeID(1)))
        #expect(mesh.state.hasWorkLeft)
        #expect(mesh.state.job(job)?.counts[.placed] == 644)
        let copy = mesh.state.encoded()
        #expect((try? SchedulerState(encoded: copy))?.hasWorkLeft == true)
        for _ in 0..<3 { mesh.run(.tick) }
        #expect(!mesh.state.hasWorkLeft)
        #expect(mesh.state.job(job)?.counts[.pending] == 900)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a node that returns keeps the attempts that were not given up yet")
    func returnsDuringSweep() {
        var mesh = StateUnderTest("owl", cpus: 1_000, gibibytes: 2_000)
        let job = mesh.submit(tasks: 900)
        mesh.placeAll()
        mesh.run(.nodeLost(NodeID(1)))
        mesh.run(.nodeReturned(NodeID(1)))
        #expect(!mesh.state.hasWorkLeft)
        #expect(mesh.state.job(job)?.counts[.placed] == 644)
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a waiting task takes at most 300 bytes, with an attempt behind it, and next to none in an untouched array")
    func bytesPerTask() async {
        await #expect(processExitsWith: .success) {
            var mesh = StateUnderTest("owl", cpus: 256, gibibytes: 256)
            // Other threads of the test may give something back meanwhile.
            var before = Int64(clinux_allocated_bytes())
            let job = mesh.submit(tasks: 1_000_000)
            #expect(Int64(clinux_allocated_bytes()) - before < 100_000)
            before = Int64(clinux_allocated_bytes())
            let touched: UInt32 = 51_200
            for start in stride(from: UInt32(0), to: touched, by: 256) {
                let keys = (start..<start + 256).map { AttemptKey(job: job, task: $0, attempt: 1) }
                mesh.run(
                    .place(
                        keys.map {
                            Placement(attempt: $0, node: NodeID(1), cpuMillis: 1_000, memoryBytes: 1 << 30)
                        }))
                mesh.run(.report(NodeID(1), keys.map { AttemptReport(attempt: $0, kind: .ended(.lost), at: 1) }))
            }
            precondition(mesh.state.pendingCount == 1_000_000)
            let bytes = Double(Int64(clinux_allocated_bytes()) - before) / Double(touched)
            precondition(bytes <= 300, "\(bytes) bytes")
        }
    }

    @Test("a round of placing over many nodes and jobs stops after each slice and decides as one in one go")
    func slices() {
        var mesh = StateUnderTest("owl")
        for number in 0..<200 {
            mesh.run(.admit(StateUnderTest.node("n", key: UInt8(number + 2)), invitation: nil))
        }
        for _ in 0..<50 { _ = mesh.submit(cpus: 3, tasks: 4) }
        var round = PlacementRound(limit: 1_000)
        var slices = 1
        var before = 0
        while !round.advance(mesh.state, slice: 64) {
            #expect(round.work - before <= 64 + 8)
            before = round.work
            slices += 1
        }
        #expect(slices > 10)
        #expect(round.placements == Placement.plan(mesh.state, limit: 1_000))
        #expect(round.placements.count == 200)
    }

    @Test("jobs that fit nowhere do not hide one that fits, however many they are")
    func manyThatDoNotFit() {
        var mesh = StateUnderTest("owl")
        mesh.placeAll()
        for _ in 0..<PlacementRound.jobsExaminedMax + 10 {
            var spec = JobSpec(name: "", command: ["true"], user: "ana", submitNode: NodeID(1))
            spec.resources = Resources(cpuMillis: 1_000, gpus: 4)
            spec.allowPending = true
            mesh.run(.submit(spec))
        }
        let last = mesh.submit()
        var round = PlacementRound(limit: 10)
        while !round.advance(mesh.state) {}
        #expect(round.placements.isEmpty)
        var next = PlacementRound(limit: 10, after: round.stoppedAfter)
        while !next.advance(mesh.state) {}
        #expect(next.placements.map(\.attempt.job) == [last])
    }
}
