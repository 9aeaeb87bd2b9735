import Codec
import Raft

/// A disk that does what it is told some time later, and forgets on a crash what it had not finished.
///
/// It writes all that has piled up in one transaction (`begin`, `complete`), or finishes each write by itself in any order
/// (`finish`). Even then a write can only be found again where all before it are: the rows build on each other.
struct SimulatedDisk {
    private struct Write {
        var persist: RaftPersist
        var handedAt: Instant
        var isDone = false
    }

    private(set) var durable = RaftRestored()
    /// Where the snapshot that the log names, and others on their way there, have their bytes.
    var snapshots = SimulatedSnapshots()
    private let pieceBytes: Int
    private var pending: [Write] = []
    /// Nothing ends before this.
    var busyUntil = Instant.zero
    /// The last write of the transaction under way, if one is.
    private(set) var underway: UInt64?
    /// When the oldest write that is not done was handed over.
    var waitingSince: Instant? { pending.first?.handedAt }
    /// The writes that are not done, oldest first.
    var unfinished: [UInt64] { pending.filter { !$0.isDone }.map(\.persist.token) }
    /// Durable entries that writes have cut away since this was last looked at.
    var cut: [RaftEntry] = []
    /// Term and vote before the last write that changed them; only for `hardStateUnsynced`.
    private var hardStateBefore = RaftHardState()

    /// - Parameter pieceBytes: of snapshots, as in the core's configuration.
    init(_ content: RaftRestored, pieceBytes: Int = RaftSnapshot.pieceBytes) {
        durable = content
        self.pieceBytes = pieceBytes
    }

    mutating func add(_ persist: RaftPersist, at now: Instant = .zero) {
        pending.append(Write(persist: persist, handedAt: now))
    }

    /// Starts a transaction with everything that waits; nil where one is under way or nothing waits.
    mutating func begin() -> UInt64? {
        guard underway == nil, let last = pending.last?.persist.token else { return nil }
        underway = last
        return last
    }

    /// The writes up to this token are done.
    mutating func complete(upTo token: UInt64) {
        for position in pending.indices where pending[position].persist.token <= token {
            pending[position].isDone = true
        }
        writeDone()
        if let last = underway, last <= token { underway = nil }
    }

    /// One write is done, whatever is before it.
    mutating func finish(_ token: UInt64) {
        for position in pending.indices where pending[position].persist.token == token {
            pending[position].isDone = true
        }
        writeDone()
    }

    private mutating func writeDone() {
        while let first = pending.first, first.isDone {
            write(first.persist)
            pending.removeFirst()
        }
    }

    /// The machine stops: of what was under way, a part in order may have reached the platter. A transaction that was torn
    /// in the middle fails its checksum and counts as not written.
    mutating func crash(_ generator: inout SeededGenerator, faults: DriverFaults = []) {
        for write in pending.prefix(generator.pick(0...pending.count)) { self.write(write.persist) }
        pending = []
        underway = nil
        busyUntil = .zero
        if faults.contains(.hardStateUnsynced) { durable.hardState = hardStateBefore }
        snapshots.crash(keeping: durable.snapshot, pieceBytes: pieceBytes, &generator)
    }

    /// The bytes of the snapshot that the log begins with.
    var snapshotContent: [UInt8]? { durable.snapshot.flatMap(snapshots.content) }

    /// A bit flips in a durable entry: the chain of rows breaks there, so that it and all after it are gone, and the mark
    /// tells. Returns the first that is gone.
    mutating func flipBit(_ generator: inout SeededGenerator, faults: DriverFaults) -> UInt64? {
        let floor = max(durable.baseIndex, durable.snapshot?.index ?? 0)
        let last = durable.lastIndex
        guard last > floor, durable.hardState.damage == nil else { return nil }
        let first = generator.pick((floor + 1)...last)
        durable.entries.removeAll { $0.index >= first }
        if faults.contains(.damageCutSilently) { return first }
        durable.hardState.damage = RaftMark(
            index: last, term: durable.hardState.term, vote: durable.hardState.vote)
        return first
    }

    private mutating func write(_ persist: RaftPersist) {
        if let truncation = persist.truncateFrom {
            let kept = persist.snapshot?.index ?? 0
            cut += durable.entries.filter { $0.index >= truncation && $0.index > kept }
            durable.entries.removeAll { $0.index >= truncation }
        }
        if let snapshot = persist.snapshot {
            snapshots.keep(snapshot)
            durable.snapshot = snapshot
        }
        if let compaction = persist.compactThrough, compaction > durable.baseIndex {
            durable.entries.removeAll { $0.index <= compaction }
            durable.baseIndex = compaction
            durable.baseTerm = persist.compactTerm
        }
        durable.entries += persist.entries
        if let hardState = persist.hardState {
            if (hardState.term, hardState.vote) != (durable.hardState.term, durable.hardState.vote) {
                hardStateBefore = durable.hardState
            }
            durable.hardState = hardState
        }
    }

    /// The term of a durable entry; nil where it is not there.
    func term(at index: UInt64) -> UInt64? {
        if index == durable.baseIndex { return durable.baseTerm }
        if index == durable.snapshot?.index { return durable.snapshot?.term }
        guard let first = durable.entries.first?.index, index >= first, index <= durable.entries.last!.index else {
            return nil
        }
        return durable.entries[Int(index - first)].term
    }

    /// True where the entry is durable here, by itself or as part of the snapshot.
    func holds(_ index: UInt64, term: UInt64) -> Bool {
        index <= durable.snapshot?.index ?? 0 || self.term(at: index) == term
    }
}
