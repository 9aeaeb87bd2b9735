import CLinux
import Codec
import Scheduler

/// What the replicated state costs with a million tasks in it: as lines for `scripts/bench state`.
///
/// Only public calls of `SchedulerState` and `PlacementRound`, one thread, no network and no disk.
struct StateSpeed {
    private var state = SchedulerState()
    private var nextRequest: UInt64 = 1
    private var wallClock: Int64 = 1_763_733_600_000_000_000
    private let clock = ContinuousClock()

    private static let tasks = 1_000_000
    private static let nodes = 10_000

    // MARK: The measurements

    static func printAll() {
        bytesPerTask()
        var waiting = StateSpeed()
        waiting.foundMesh(nodes: 200)
        waiting.submitArrays(count: 10, tasks: 100_000)
        waiting.touchEveryTask()
        waiting.printWrites()
        waiting.printSnapshot()
        placement()
    }

    /// A million tasks that wait, as one array, as single jobs, and each with an attempt behind it.
    private static func bytesPerTask() {
        var array = StateSpeed()
        array.foundMesh(nodes: 1)
        var before = allocatedBytes()
        array.submitArrays(count: 1, tasks: UInt32(tasks))
        line("state.bytes_per_task.array", Double(allocatedBytes() - before) / Double(tasks), "bytes")
        before = allocatedBytes()
        array.touchEveryTask()
        line("state.bytes_per_task", Double(allocatedBytes() - before) / Double(tasks), "bytes")
        var single = StateSpeed()
        single.foundMesh(nodes: 1)
        before = allocatedBytes()
        for _ in 0..<100_000 { single.apply(.submit(single.spec(tasks: 1))) }
        line("state.bytes_per_job", Double(allocatedBytes() - before) / 100_000, "bytes")
    }

    /// Entries of every common kind against a state of a million tasks, each after a snapshot's copy was taken.
    private mutating func printWrites() {
        var applies: [Double] = []
        var copies: [Double] = []
        var firstWrites: [Double] = []
        for round in 0..<2_000 {
            let jobs = UInt64(1 + round % 10)
            let task = UInt32(round &* 7_919 % 100_000)
            let copy = milliseconds { state }
            copies.append(copy.milliseconds)
            firstWrites.append(time(.place([placement(AttemptKey(job: jobs, task: task, attempt: 2))])))
            let key = AttemptKey(job: jobs, task: task, attempt: 2)
            let node = state.attempt(key)?.node ?? NodeID(1)
            withExtendedLifetime(copy.value) {}
            applies.append(time(.report(node, [AttemptReport(attempt: key, kind: .running, at: wallClock)])))
            applies.append(
                time(.report(node, [AttemptReport(attempt: key, kind: .ended(.exited(0)), at: wallClock)])))
            applies.append(time(.submit(spec(tasks: 1_000))))
            applies.append(time(.tick))
        }
        applies.append(time(.cancel(5, by: "ana")))
        applies.append(time(.nodeLost(NodeID(7))))
        line("state.apply_p50", percentile(applies, 0.5), "ms")
        line("state.apply_p999", percentile(applies, 0.999), "ms")
        line("state.apply_max", applies.max() ?? 0, "ms")
        line("state.copy", percentile(copies, 0.999), "ms")
        line("state.write_after_copy", percentile(firstWrites, 0.999), "ms")
    }

    private func printSnapshot() {
        var bytes = 0
        var slowest = 0.0
        var chunks: [[UInt8]] = []
        let encoding = milliseconds {
            var stream = StateChunks(state)
            while let chunk = milliseconds({ stream.next() }).keepingSlowest(&slowest) {
                bytes += chunk.count
                chunks.append(chunk)
            }
        }
        line("state.snapshot_size", Double(bytes) / 1e6, "MB")
        line("state.snapshot_encode", Double(bytes) / 1e3 / encoding.milliseconds, "MB/s")
        line("state.snapshot_chunk_max", slowest, "ms")
        let decoding = milliseconds { () -> Int in
            var restorer = StateRestorer()
            do {
                for chunk in chunks { try restorer.take(chunk) }
                return try restorer.finish().pendingCount
            } catch {
                return -1
            }
        }
        precondition(decoding.value == state.pendingCount, "the restored state is another one")
        line("state.snapshot_decode", Double(bytes) / 1e3 / decoding.milliseconds, "MB/s")
    }

    /// A million tasks in 2,000 arrays of two shapes on 10,000 empty nodes, and then on full ones.
    private static func placement() {
        var mesh = StateSpeed()
        mesh.foundMesh(nodes: nodes)
        mesh.submitArrays(count: 2_000, tasks: 500)
        var slices: [Double] = []
        var rounds: [Double] = []
        var placed = 0
        while rounds.count < 200 {
            var round = PlacementRound(avoid: NodeID(1), limit: 256)
            var total = 0.0
            var isOver = false
            while !isOver {
                let slice = mesh.milliseconds { round.advance(mesh.state) }
                isOver = slice.value
                slices.append(slice.milliseconds)
                total += slice.milliseconds
            }
            placed += round.placements.count
            total += mesh.time(.place(round.placements))
            rounds.append(total)
            if round.placements.isEmpty { break }
        }
        line("state.placement_slice_max", slices.max() ?? 0, "ms")
        line("state.placement_slice_p999", percentile(slices, 0.999), "ms")
        line("state.placements", Double(placed) / rounds.reduce(0, +) * 1_000, "per s")
    }

    // MARK: The state under them

    private mutating func foundMesh(nodes: Int) {
        for number in 1...nodes {
            var key = [UInt8](repeating: 1, count: 32)
            for byte in 0..<4 { key[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
            let gpus = (0..<4).map {
                GPU(index: UInt32($0), uuid: "GPU-\(number)-\($0)", model: "H100", memoryBytes: 80 << 30)
            }
            let node = NodeRecord(
                name: "n\(number)", identityKey: Bytes(key), noiseKey: Bytes(key),
                addresses: ["10.0.0.\(number % 250):7717"],
                capacity: Capacity(cpuMillis: 64_000, memoryBytes: 512 << 30, gpus: gpus))
            apply(
                number == 1
                    ? .found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Bytes(key), node: node)
                    : .admit(node, invitation: nil))
        }
    }

    private func spec(tasks: UInt32) -> JobSpec {
        var spec = JobSpec(
            name: "train", command: ["python3", "train.py", "--epochs", "10"], user: "ana", uid: 1000, gid: 1000,
            submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 30, gpus: tasks % 2 == 0 ? 0 : 1)
        spec.tasks = tasks
        return spec
    }

    private mutating func submitArrays(count: Int, tasks: UInt32) {
        for _ in 0..<count { apply(.submit(spec(tasks: tasks))) }
    }

    /// Places every task once and gives it back, so that each has a record of its own and an attempt in it.
    private mutating func touchEveryTask() {
        let keys = state.pendingTasks(limit: StateSpeed.tasks)
        for start in stride(from: 0, to: keys.count, by: 64) {
            let attempts = keys[start..<min(keys.count, start + 64)].map { AttemptKey($0, attempt: 1) }
            apply(.place(attempts.map(placement)))
            let reports = attempts.map { AttemptReport(attempt: $0, kind: .ended(.lost), at: wallClock) }
            apply(.report(NodeID(1), reports))
        }
        precondition(state.pendingCount == keys.count, "not every task waits again")
    }

    private func placement(_ key: AttemptKey) -> Placement {
        Placement(attempt: key, node: NodeID(1), gpus: [], cpuMillis: 1_000, memoryBytes: 1 << 30)
    }

    private mutating func apply(_ command: Command) { _ = time(command) }

    /// Milliseconds that an entry takes to apply.
    @discardableResult
    private mutating func time(_ command: Command) -> Double {
        wallClock += 1_000_000
        nextRequest += 1
        let entry = Entry(request: RequestID(high: 1, low: nextRequest), time: wallClock, command: command)
        let start = clock.now
        _ = state.apply(entry)
        return (clock.now - start) / .milliseconds(1)
    }

    private func milliseconds<Value>(_ body: () -> Value) -> Timed<Value> {
        let start = clock.now
        let value = body()
        return Timed(value: value, milliseconds: (clock.now - start) / .milliseconds(1))
    }

    private struct Timed<Value> {
        let value: Value
        let milliseconds: Double

        func keepingSlowest(_ slowest: inout Double) -> Value {
            slowest = max(slowest, milliseconds)
            return value
        }
    }

    private func percentile(_ values: [Double], _ part: Double) -> Double { Self.percentile(values, part) }

    private static func percentile(_ values: [Double], _ part: Double) -> Double {
        let ordered = values.sorted()
        return ordered.isEmpty ? 0 : ordered[min(ordered.count - 1, Int(part * Double(ordered.count)))]
    }

    private func line(_ name: String, _ value: Double, _ unit: String) { Self.line(name, value, unit) }

    private static func line(_ name: String, _ value: Double, _ unit: String) {
        let rounded = (value * 10_000).rounded() / 10_000
        print("{\"name\":\"\(name)\",\"value\":\(rounded),\"unit\":\"\(unit)\",\"runs\":1}")
    }

    /// What the program holds of the allocator.
    private static func allocatedBytes() -> Int { Int(clinux_allocated_bytes()) }
}
