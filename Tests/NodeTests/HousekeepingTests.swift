import Codec
import Mesh
import Scheduler
import Testing

@testable import Node

@Suite("What a node may delete")
struct HousekeepingTests {
    private var state = SchedulerState()
    private var requests: UInt64 = 0
    private let tree = BLAKE3.hash(Array("tree".utf8))

    init() {
        let capacity = Capacity(cpuMillis: 4_000, memoryBytes: 8 << 30, gpus: [])
        apply(
            .found(
                meshName: "lab", meshKeyID: "key", meshKey: Bytes([1]),
                node: NodeRecord(
                    name: "n1", identityKey: Bytes([UInt8](repeating: 1, count: 32)),
                    noiseKey: Bytes([UInt8](repeating: 2, count: 32)), role: .auto, labels: [], addresses: [],
                    capacity: capacity, version: "1")))
        apply(
            .submit(
                JobSpec(
                    name: "job", command: ["true"], user: "u", retry: .times(3),
                    checkpoint: CheckpointPolicy(directory: "ckpt"), workingTree: tree, submitNode: NodeID(1))))
    }

    private mutating func apply(_ command: Command) {
        requests += 1
        _ = state.apply(Entry(request: RequestID(high: 1, low: requests), time: Int64(requests), command: command))
    }

    private mutating func place(_ number: UInt32) -> AttemptKey {
        let key = AttemptKey(job: 1, task: 0, attempt: number)
        apply(.place([Placement(attempt: key, node: NodeID(1), gpus: [], cpuMillis: 1_000, memoryBytes: 1 << 30)]))
        apply(.report(NodeID(1), [AttemptReport(attempt: key, kind: .running, at: 1)]))
        return key
    }

    @Test("the working tree, checkpoints and results of an unfinished job stay")
    mutating func unfinished() {
        let key = place(1)
        let checkpoint = BLAKE3.hash(Array("checkpoint".utf8))
        let results = BLAKE3.hash(Array("results".utf8))
        apply(
            .checkpoint(key, Checkpoint(number: 1, attempt: 1, tree: checkpoint, bytes: 1, holders: [NodeID(1)])))
        apply(.results(key, ResultFiles(tree: results, bytes: 1, files: 1, holders: [NodeID(1)])))
        #expect(Housekeeping.trees(namedBy: state, on: NodeID(1)) == [tree, checkpoint, results].sorted())
        apply(.report(NodeID(1), [AttemptReport(attempt: key, kind: .ended(.exited(0)), at: 2)]))
        #expect(Housekeeping.trees(namedBy: state, on: NodeID(1)) == [checkpoint, results].sorted())
    }

    @Test("the directory of an attempt goes when a later one has its place or the job is forgotten")
    mutating func directories() {
        let first = place(1)
        #expect(!Housekeeping.isOver(first, in: state))
        apply(.report(NodeID(1), [AttemptReport(attempt: first, kind: .ended(.exited(1)), at: 2)]))
        #expect(!Housekeeping.isOver(first, in: state))
        let second = place(2)
        #expect(Housekeeping.isOver(first, in: state))
        #expect(!Housekeeping.isOver(second, in: state))
        #expect(Housekeeping.isOver(AttemptKey(job: 9, task: 0, attempt: 1), in: state))
    }

    @Test("a name that is no attempt's is left alone", arguments: ["1.2", "1.2.3.4", "a.b.c", "1..3", "lost+found"])
    func names(_ name: String) {
        #expect(Housekeeping.attempt(ofDirectory: name) == nil)
        #expect(
            Housekeeping.attempt(ofDirectory: "12.3.4") == AttemptKey(job: 12, task: 3, attempt: 4))
    }
}
