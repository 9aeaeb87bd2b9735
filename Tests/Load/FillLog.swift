import Codec
import Raft
import Scheduler

/// Makes the data directory of a stopped mesh of one look as if it had worked for long: for `scripts/bench raft-recovery`.
struct FillLog {
    private static let entriesAtOnce: UInt64 = 1_000
    private static let valueBytes = 1_000

    private let directory: String
    private let log: RaftLog
    private var restored: RaftRestored
    private var state: SchedulerState

    init(_ directory: String) throws(LoadError) {
        self.directory = directory
        do {
            log = try RaftLog(directory: directory)
            guard let (restored, loaded) = try log.restore({ try Self.load($0) }), restored.snapshot == nil else {
                throw LoadError.unreadable("\(directory) is not the log of a mesh that has just begun")
            }
            self.restored = restored
            state = loaded ?? SchedulerState()
            for entry in restored.entries {
                if case .command(let bytes) = entry.payload { _ = state.apply(try Entry(encoded: bytes)) }
            }
        } catch {
            throw .unreadable("\(error)")
        }
    }

    /// A loader for a log that has no snapshot.
    private static func load(_ reader: SnapshotReader) throws -> SchedulerState {
        throw LoadError.unreadable("a snapshot of \(reader.snapshot.byteCount) bytes")
    }

    /// A snapshot of about `stateBytes`, jobs that wait for what no node has, and after it entries of `logBytes`.
    mutating func run(stateBytes: UInt64, logBytes: UInt64) throws(LoadError) {
        do {
            if stateBytes > 0 { try takeSnapshot(stateBytes) }
            try append(logBytes)
            while try log.settle() {}
        } catch {
            throw .unreadable("\(error)")
        }
    }

    private mutating func takeSnapshot(_ byteCount: UInt64) throws {
        var number: UInt64 = 0
        let filler = String(repeating: "x", count: Self.valueBytes)
        let wanted = Resources(gpus: 64)
        while number * UInt64(Self.valueBytes) < byteCount {
            number += 1
            let spec = JobSpec(
                name: "waits", command: ["true", "\(number)"], environment: [Label(name: "FILLER", value: filler)],
                user: "load",
                resources: wanted, submitNode: NodeID(1), allowPending: true)
            _ = state.apply(
                Entry(request: RequestID(high: 1, low: number), time: state.time, command: .submit(spec)))
        }
        let index = restored.lastIndex
        let term = restored.entries.last?.term ?? 1
        let members = restored.entries.reversed().compactMap { entry -> RaftMembership? in
            if case .membership(let membership) = entry.payload { return membership }
            return nil
        }
        let plan = RaftSnapshotPlan(index: index, term: term, membership: members[0])
        let writer = try SnapshotWriter(plan, log: directory)
        for chunk in StateChunks(state) { try writer.append(chunk) }
        let snapshot = try writer.finish()
        try log.persist([RaftPersist(token: 0, snapshot: snapshot, compactThrough: index, compactTerm: term)])
        print("{\"snapshot_bytes\":\(snapshot.byteCount),\"jobs\":\(number)}")
    }

    private mutating func append(_ byteCount: UInt64) throws {
        let value = String(repeating: "y", count: Self.valueBytes)
        var index = restored.lastIndex
        let term = restored.hardState.term
        var written: UInt64 = 0
        while written < byteCount {
            var entries: [RaftEntry] = []
            for _ in 0..<Self.entriesAtOnce {
                index += 1
                let command = Command.configure(key: "user.k\(index % 500)", value: value, by: "load")
                let bytes = Entry(request: RequestID(high: 2, low: index), time: state.time, command: command).encoded()
                written += UInt64(bytes.count)
                entries.append(RaftEntry(index: index, term: term, payload: .command(bytes)))
            }
            var hardState = restored.hardState
            hardState.commitIndex = index
            try log.persist([RaftPersist(token: 0, hardState: hardState, entries: entries)])
        }
        print("{\"entries\":\(index - restored.lastIndex),\"entry_bytes\":\(written)}")
    }
}
