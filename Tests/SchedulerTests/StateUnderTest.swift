import Codec
import Testing

@testable import Scheduler

/// A state with the commands in one line each, its own request ids and a clock that goes on by a second per entry.
struct StateUnderTest {
    var state = SchedulerState()
    var events: [StateEvent] = []
    /// Every entry, where a test wants them.
    var applied: [Entry]?
    private var nextRequest: UInt64 = 1
    static let start: Int64 = 1_763_733_600_000_000_000  // 2025-11-21T14:00:00Z

    static func key(_ byte: UInt8) -> Bytes { Bytes(Array(repeating: byte, count: 32)) }

    static func gpus(_ count: UInt32, _ model: String = "RTX 3090", gibibytes: UInt64 = 24) -> [GPU] {
        (0..<count).map { GPU(index: $0, uuid: "GPU-\($0)", model: model, memoryBytes: gibibytes << 30) }
    }

    static func node(_ name: String, key byte: UInt8, cpus: UInt64 = 8, gibibytes: UInt64 = 32, gpus: [GPU] = [])
        -> NodeRecord
    {
        NodeRecord(
            name: name, identityKey: key(byte), noiseKey: key(byte),
            capacity: Capacity(cpuMillis: cpus * 1000, memoryBytes: gibibytes << 30, gpus: gpus))
    }

    /// A mesh of the nodes named, all alike.
    init(_ names: String..., cpus: UInt64 = 8, gibibytes: UInt64 = 32, gpus: UInt32 = 0) {
        for (index, name) in names.enumerated() {
            let node = Self.node(
                name, key: UInt8(index + 1), cpus: cpus, gibibytes: gibibytes, gpus: Self.gpus(gpus))
            if index == 0 { found(node) } else { run(.admit(node, invitation: nil)) }
        }
    }

    mutating func found(_ node: NodeRecord) {
        run(.found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Self.key(99), node: node))
    }

    @discardableResult
    mutating func run(_ command: Command) -> Answer { run(entry(command)) }

    @discardableResult
    mutating func run(_ entry: Entry) -> Answer {
        applied?.append(entry)
        let (answer, events) = state.apply(entry)
        self.events = events
        return answer
    }

    mutating func entry(_ command: Command) -> Entry {
        nextRequest += 1
        let time = max(state.time, Self.start) + 1_000_000_000
        return Entry(
            request: RequestID(high: 7, low: nextRequest &* 0x9E37_79B9_7F4A_7C15), time: time, command: command)
    }

    mutating func passTime(seconds: Int64) {
        run(Entry(request: RequestID(high: 0, low: 0), time: state.time + seconds * 1_000_000_000, command: .tick))
    }

    mutating func submit(
        cpus: UInt64 = 1, gpus: UInt32 = 0, tasks: UInt32 = 1, retry: RetryPolicy = .times(0), keep: UInt32 = 3
    ) -> JobID {
        var spec = JobSpec(name: "job", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: cpus * 1000, memoryBytes: 1 << 30, gpus: gpus)
        spec.tasks = tasks
        spec.retry = retry
        spec.checkpoint = CheckpointPolicy(directory: "ckpt", keep: keep)
        guard case .job(let id) = run(.submit(spec)) else { return 0 }
        return id
    }

    /// Places what can be placed and returns the attempts.
    @discardableResult
    mutating func placeAll() -> [AttemptKey] {
        let placements = Placement.plan(state)
        run(.place(placements))
        return placements.map(\.attempt)
    }

    mutating func report(_ key: AttemptKey, _ kind: AttemptReportKind, node: NodeID? = nil) {
        let node = node ?? state.attempt(key)?.node ?? NodeID(0)
        run(.report(node, [AttemptReport(attempt: key, kind: kind, at: state.time)]))
    }

    /// The attempt of a job of one task.
    mutating func start(_ job: JobID) -> AttemptKey {
        placeAll()
        let number = state.task(TaskKey(job: job, index: 0))?.attempts.last?.number ?? 0
        let key = AttemptKey(job: job, task: 0, attempt: number)
        report(key, .running)
        return key
    }

    func task(_ job: JobID, _ index: UInt32 = 0) -> TaskRecord {
        state.task(TaskKey(job: job, index: index)) ?? TaskRecord(state: .unknown)
    }
}

extension Answer {
    var code: String? {
        guard case .refused(let code, _, _) = self else { return nil }
        return code
    }
}

extension StateUnderTest {
    /// What a guest shows with the token of this name.
    static func pass(of name: String, below root: String? = nil, request: UInt8, uses: UInt64, rootUses: UInt64 = 0)
        -> GuestPass
    {
        var counts: [GuestPass.Count] = []
        let expires = start + 3_600_000_000_000
        if let root, rootUses > 0 { counts.append(GuestPass.Count(name: root, uses: rootUses, expires: expires)) }
        if uses > 0 { counts.append(GuestPass.Count(name: name, uses: uses, expires: expires)) }
        return GuestPass(
            names: (root.map { [$0] } ?? []) + [name], counts: counts, issuer: "k4.pid.ana", madeBy: "ana on owl",
            holder: "k4.pid.\(name)", links: ["link"], proof: "proof", channel: Bytes([1]), member: "k4.pid.owl",
            request: Bytes([request]), requestHash: Bytes([request]), keepSeconds: 86_400)
    }

    @discardableResult
    mutating func submit(_ pass: GuestPass, gpus: UInt32 = 0) -> Answer {
        var spec = JobSpec(name: "job", command: ["true"], user: "token:9f3c", submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: 1000, memoryBytes: 1 << 30, gpus: gpus)
        spec.guest = pass
        return run(.submit(spec))
    }
}
