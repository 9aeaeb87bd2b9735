import Codec
import Fuzzing
import Testing

@testable import Scheduler

/// Random entries, sensible and not, on random meshes: what must hold whatever is proposed.
struct RandomHistoryTests {
    @Test(
        "whatever is proposed: one live attempt a task, no node over-committed, no task lost, snapshots equal",
        arguments: UInt64(1)...16)
    func history(seed: UInt64) throws {
        var history = RandomHistory(seed: seed)
        for step in 0..<200 {
            history.step()
            if let broken = history.broken(full: step % 10 == 0) {
                Issue.record("seed \(seed), step \(step), \(history.lastCommand): \(broken)")
                return
            }
        }
    }
}

struct DamagedHistoryTests {
    @Test("damaged entries and snapshots are refused, or give every node the same state")
    func damaged() {
        var entries: [[UInt8]] = []
        var snapshots: [[UInt8]] = []
        for seed in UInt64(1)...12 {
            var history = RandomHistory(seed: seed, keepsApplied: true)
            for _ in 0..<20 { history.step() }
            entries.append((history.mesh.applied ?? []).flatMap { $0.encoded() })
            let snapshot = history.mesh.state.encoded()
            let length = withUnsafeBytes(of: UInt32(snapshot.count).littleEndian) { Array($0) }
            history.mesh.applied = []
            for _ in 0..<10 { history.step() }
            snapshots.append(length + snapshot + (history.mesh.applied ?? []).flatMap { $0.encoded() })
        }
        #expect(Fuzzer.entries.flaw(from: entries, rounds: 150, seed: 1) == nil)
        #expect(Fuzzer.snapshot.flaw(from: snapshots, rounds: 150, seed: 2) == nil)
    }
}

struct RandomHistory {
    var mesh = StateUnderTest()
    var random: SeededGenerator
    var lastCommand = Command.tick
    /// From the events alone: the live attempt of each task.
    private var live: [TaskKey: AttemptKey] = [:]
    private var submittedTasks: [JobID: UInt32] = [:]
    private var complaints: [String] = []
    private var shrunk: Set<NodeID> = []
    private var nextKey: UInt8 = 1

    init(seed: UInt64, keepsApplied: Bool = false) {
        if keepsApplied { mesh.applied = [] }
        random = SeededGenerator(seed: seed)
        mesh.found(newNode())
        for _ in 0..<below(5) { mesh.run(.admit(newNode(), invitation: nil)) }
    }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

    private mutating func newNode() -> NodeRecord {
        nextKey &+= 1
        return StateUnderTest.node(
            "n", key: nextKey, cpus: UInt64(1 + below(16)), gibibytes: UInt64(2 + below(64)),
            gpus: StateUnderTest.gpus(UInt32(below(4)), gibibytes: UInt64(8 + below(3) * 8)))
    }

    private mutating func anyNode() -> NodeID { NodeID(UInt64(1 + below(max(1, mesh.state.nodes.count)))) }

    private mutating func anyAttempt() -> AttemptKey {
        let lively = mesh.state.nodes.flatMap { mesh.state.attempts(on: $0.id) }
        if let key = lively.randomElement(using: &random), below(8) > 0 { return key }
        return AttemptKey(job: UInt64(below(20)), task: UInt32(below(300)), attempt: UInt32(below(4)))
    }

    private mutating func randomSpec() -> JobSpec {
        var spec = JobSpec(name: "j", command: ["true"], user: "ana", submitNode: anyNode())
        spec.resources = Resources(
            cpuMillis: UInt64(below(6)) * 500, memoryBytes: below(2) == 0 ? nil : UInt64(below(8)) << 30,
            gpus: UInt32(max(0, below(5) - 2)), gpuMemoryBytes: below(3) == 0 ? 16 << 30 : nil)
        spec.tasks = [1, 1, 1, 3, 3, 0, 300, 12][below(8)]
        if below(4) == 0, let gang = GangSpec(nodes: UInt32(1 + below(3)), tasksPerNode: UInt32(1 + below(2))) {
            spec.gang = gang
            spec.tasks = gang.ranks
        }
        spec.retry = [.never, .times(0), .times(2)][below(3)]
        spec.allowPending = below(2) == 0
        spec.checkpoint = below(2) == 0 ? nil : CheckpointPolicy(directory: "c", keep: UInt32(below(3)))
        spec.workingTree = below(2) == 0 ? nil : BLAKE3.hash([UInt8(below(3))])
        if below(4) == 0 { spec.guest = StateUnderTest.pass(of: "token\(below(3))", request: UInt8(below(9)), uses: 2) }
        return spec
    }

    private mutating func randomOutcome() -> Outcome {
        [
            .exited(0), .exited(1), .signalled(9), .lost, .cancelled, .timeLimit, .gangEnded, .moved,
            .hostFailed(code: "host.full", message: ""),
        ][below(9)]
    }

    private mutating func randomCommand() -> Command {
        switch below(35) {
        case 0..<4: return .submit(randomSpec())
        case 4..<10: return .place(Placement.plan(mesh.state, avoid: anyNode(), limit: 1 + below(20)))
        case 10:
            let node = anyNode()
            return .place([
                Placement(
                    attempt: anyAttempt(), node: node, gpus: [UInt32(below(3))], cpuMillis: UInt64(below(9_000)),
                    memoryBytes: UInt64(below(9)) << 30)
            ])
        case 11..<20:
            let key = anyAttempt()
            let node = below(6) == 0 ? anyNode() : mesh.state.attempt(key)?.node ?? anyNode()
            let kind: AttemptReportKind =
                switch below(4) {
                case 0: .preparing
                case 1: .running
                default: .ended(randomOutcome())
                }
            return .report(node, [AttemptReport(attempt: key, kind: kind, at: Int64(below(1000)))])
        case 20:
            guard below(2) == 0 else { return .nodeLost(anyNode()) }
            let point = below(2) == 0 ? MeetingPoint(address: "a", port: UInt16(below(9))) : nil
            return .rankReady(anyAttempt(), point)
        case 21, 22: return .nodeReturned(anyNode())
        case 23: return below(4) == 0 ? .removeNode(anyNode()) : .admit(newNode(), invitation: nil)
        case 32, 33: return .pause(UInt64(1 + below(20)), by: below(2) == 0 ? "ana" : nil)
        case 24: return .cancel(UInt64(1 + below(20)), by: "ana")
        case 25, 26:
            let key = anyAttempt()
            let number = UInt64(below(6))
            return .checkpoint(
                key,
                Checkpoint(
                    number: number, attempt: 1, tree: BLAKE3.hash([UInt8(number)]), bytes: 1,
                    holders: [anyNode(), anyNode()]))
        case 27: return .holders(job: UInt64(below(9)), task: 0, checkpoint: UInt64(below(6)), added: anyNode())
        case 28: return .results(anyAttempt(), ResultFiles(tree: .zero, bytes: 1, files: 1, holders: [anyNode()]))
        case 30:
            if below(20) == 0 { return .revoke(anyNode(), by: "sam") }
            guard below(2) == 0 else { return .standDown(anyNode(), below(2) == 0) }
            if below(4) == 0 { return .label(anyNode(), set: [Label(name: "rack", value: "\(below(3))")], removed: []) }
            let order = DrainOrder(kind: below(3) == 0 ? .cordon : .drain, patience: Int64(below(3)), by: "sam")
            return .drain(anyNode(), below(2) == 0 ? order : nil)
        case 34:
            let name = "token\(below(4))"
            if below(3) == 0 { return .revokeToken(TokenRevocation(.token(name), by: "ana")) }
            return .issueToken(TokenRecord(name: name, issuer: "i", madeBy: "ana", uses: 2, expires: 1))
        case 29:
            let key = ["autopilot.voters", "user.a", "user.b", "odd"][below(4)]
            return .configure(key: key, value: below(3) == 0 ? nil : "\(below(6))", by: "ana")
        default:
            let node = anyNode()
            shrunk.insert(node)
            var capacity = newNode().capacity
            if below(3) == 0 { capacity.closed = "its owner is there" }
            return .updateNode(node, addresses: ["a"], capacity: capacity, version: "2")
        }
    }

    mutating func step() {
        let entry = mesh.entry(randomCommand())
        lastCommand = entry.command
        let answer = mesh.run(entry)
        // A guest who asks again is told the job that he has.
        if case .job(let id) = answer, case .submit(let spec) = entry.command, mesh.events.contains(.jobSubmitted(id)) {
            submittedTasks[id] = spec.tasks
        }
        follow(mesh.events)
        if below(10) == 0 {
            let before = mesh.state.encoded()
            let again = mesh.state.apply(entry)
            if again.answer != answer || !again.events.isEmpty || mesh.state.encoded() != before {
                complaints.append("the same request had a second effect")
            }
        }
    }

    private mutating func follow(_ events: [StateEvent]) {
        for event in events {
            switch event {
            case .attemptPlaced(let key, let node):
                if let other = live[key.taskKey] { complaints.append("\(key) placed beside \(other)") }
                live[key.taskKey] = key
                if !mesh.state.isPresent(node) { complaints.append("\(key) placed on a node that is not present") }
            case .attemptEnded(let key, _), .attemptLost(let key, _):
                if live[key.taskKey] != key { complaints.append("\(key) ended and was not live") }
                live[key.taskKey] = nil
            case .jobForgotten(let id): submittedTasks[id] = nil
            default: break
            }
        }
    }

    mutating func broken(full: Bool) -> String? {
        if let complaint = complaints.first { return complaint }
        if let broken = mesh.state.brokenInvariants().first { return broken }
        for node in mesh.state.nodes where !shrunk.contains(node.id) {
            var cpus: UInt64 = 0
            var memory: UInt64 = 0
            for key in mesh.state.attempts(on: node.id) {
                cpus += mesh.state.attempt(key)?.cpuMillis ?? 0
                memory += mesh.state.attempt(key)?.memoryBytes ?? 0
            }
            if cpus > node.capacity.cpuMillis || memory > node.capacity.memoryBytes {
                return "\(node.name) holds too much"
            }
        }
        for (id, tasks) in submittedTasks where mesh.state.job(id)?.counts.total != tasks {
            return "job \(id) lost tasks"
        }
        return full ? brokenSnapshot() : nil
    }

    /// A member that starts from a snapshot must go on exactly like the others.
    private mutating func brokenSnapshot() -> String? {
        let bytes = mesh.state.encoded()
        do {
            var restored = try SchedulerState(encoded: bytes)
            if restored.encoded() != bytes { return "a snapshot that was read writes other bytes" }
            if let broken = restored.brokenInvariants().first { return "restored: \(broken)" }
            var original = mesh.state
            let entry = mesh.entry(randomCommand())
            let (left, right) = (original.apply(entry), restored.apply(entry))
            if left.answer != right.answer || left.events != right.events || original.encoded() != restored.encoded() {
                return "after a snapshot \(entry.command) does something else"
            }
        } catch {
            return "a snapshot cannot be read: \(error.message)"
        }
        return nil
    }
}
