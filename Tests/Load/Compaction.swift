import Codec
import Raft

/// How long the log's thread is held while a long log is compacted and goes on being written: for `scripts/bench
/// raft-recovery`. The lines say milliseconds of one durable write of 16 entries of 1 KB.
struct Compaction {
    private static let entriesAtOnce: UInt64 = 16
    private static let writes = 400

    private let directory: String
    private let log: RaftLog
    private var index: UInt64 = 0

    init(_ directory: String) throws(LoadError) {
        self.directory = directory
        do {
            log = try RaftLog(directory: directory)
            guard try log.restore() == nil else { throw LoadError.unreadable("\(directory) is not empty") }
        } catch {
            throw .unreadable("\(error)")
        }
    }

    /// Writes so many entries, then measures before and after a snapshot takes the place of all but the last 1,024.
    mutating func run(entries: UInt64) throws(LoadError) {
        do {
            while index < entries { try write(1_000) }
            let before = try measure()
            let members = RaftMembership(voters: [NodeID(1)])
            let snapshot = try SnapshotWriter(
                RaftSnapshotPlan(index: index, term: 1, membership: members), log: directory
            ).finish()
            let clock = ContinuousClock()
            let start = clock.now
            try log.persist([
                RaftPersist(token: 0, snapshot: snapshot, compactThrough: index - 1_024, compactTerm: 1)
            ])
            let compaction = Self.milliseconds(clock.now - start)
            let during = try measure()
            var rest = 0
            while try log.settle() { rest += 1 }
            let after = try measure()
            for (name, times) in [("before", before), ("during", during), ("after", after)] {
                print(
                    "{\"phase\":\"\(name)\",\"p50\":\(times[times.count / 2]),\"p99\":\(times[times.count * 99 / 100]),"
                        + "\"worst\":\(times[times.count - 1])}")
            }
            print("{\"phase\":\"compaction\",\"milliseconds\":\(compaction),\"slices_left\":\(rest)}")
        } catch {
            throw .unreadable("\(error)")
        }
    }

    private mutating func measure() throws -> [Double] {
        let clock = ContinuousClock()
        var times: [Double] = []
        for _ in 0..<Self.writes {
            let start = clock.now
            try write(Self.entriesAtOnce)
            times.append(Self.milliseconds(clock.now - start))
        }
        return times.sorted()
    }

    private mutating func write(_ count: UInt64) throws {
        let content = [UInt8](repeating: 7, count: 1_000)
        let entries = (1...count).map { RaftEntry(index: index + $0, term: 1, payload: .command(content)) }
        index += count
        let hardState = RaftHardState(term: 1, vote: NodeID(1), commitIndex: index - count)
        try log.persist([RaftPersist(token: 0, hardState: hardState, entries: entries)])
        try log.tidy()
    }

    private static func milliseconds(_ time: Duration) -> Double {
        ((time / .milliseconds(1)) * 1_000).rounded() / 1_000
    }
}
