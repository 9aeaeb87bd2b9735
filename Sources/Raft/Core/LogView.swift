/// The log as a node holds it in memory: the snapshot, and the entries after `baseIndex`.
///
/// `baseIndex <= snapshot.index` (entries before the snapshot are kept for slow followers) and the snapshot's index is at
/// most `lastIndex`. Whether something is on disk is not this type's business.
struct LogView: Sendable {
    private(set) var snapshot: RaftSnapshot?
    /// The entry before the first of `entries`.
    private(set) var baseIndex: UInt64
    private(set) var baseTerm: UInt64
    private(set) var entries: [RaftEntry]
    /// Weight of the entries after the snapshot.
    private(set) var weightAfterSnapshot = 0

    init(_ restored: RaftRestored) {
        snapshot = restored.snapshot
        baseIndex = restored.baseIndex
        baseTerm = restored.baseTerm
        entries = restored.entries
        if let snapshot, snapshot.index > restored.lastLogIndex {
            // Only possible where the log after the base is gone as a whole.
            baseIndex = snapshot.index
            baseTerm = snapshot.term
            entries = []
        }
        for entry in entries where entry.index > snapshotIndex { weightAfterSnapshot += entry.weight }
    }

    var snapshotIndex: UInt64 { snapshot?.index ?? 0 }
    var lastIndex: UInt64 { baseIndex + UInt64(entries.count) }
    var lastTerm: UInt64 { entries.last?.term ?? baseTerm }

    /// Nil where the entry has been compacted away or does not exist.
    func term(at index: UInt64) -> UInt64? {
        if index == baseIndex { return baseTerm }
        guard index > baseIndex, index <= lastIndex else { return nil }
        return entries[Int(index - baseIndex - 1)].term
    }

    /// The entries `first...last`, which must exist.
    func slice(_ first: UInt64, through last: UInt64) -> [RaftEntry] {
        guard first <= last else { return [] }
        precondition(first > baseIndex && last <= lastIndex, "entries \(first)...\(last) are not in the log")
        return Array(entries[Int(first - baseIndex - 1)...Int(last - baseIndex - 1)])
    }

    /// The entries from `first` on, as many as the bounds allow but at least one if there is one; with their weight.
    func batch(from first: UInt64, weight limit: Int, count: Int) -> (entries: [RaftEntry], weight: Int) {
        guard first <= lastIndex else { return ([], 0) }
        precondition(first > baseIndex, "entry \(first) has been compacted away")
        let start = Int(first - baseIndex - 1)
        var end = start
        var weight = 0
        while end < entries.count, end - start < count {
            let next = entries[end].weight
            if end > start, weight + next > limit { break }
            weight += next
            end += 1
        }
        return (Array(entries[start..<end]), weight)
    }

    mutating func append(_ entry: RaftEntry) {
        precondition(entry.index == lastIndex + 1, "entry \(entry.index) appended after \(lastIndex)")
        precondition(entry.term >= lastTerm, "terms in a log never decrease")
        entries.append(entry)
        weightAfterSnapshot += entry.weight
    }

    /// Drops the entries from `index` on.
    mutating func truncate(from index: UInt64) {
        precondition(index > snapshotIndex && index > baseIndex, "entry \(index) is part of the snapshot")
        while lastIndex >= index { weightAfterSnapshot -= entries.removeLast().weight }
    }

    /// The last index up to `index` whose term is at most `term`: where two logs may agree (etcd's hint for fast probing).
    func lastIndex(upTo index: UInt64, withTermAtMost term: UInt64) -> (index: UInt64, term: UInt64?) {
        var index = min(index, lastIndex)
        while index > baseIndex {
            let found = entries[Int(index - baseIndex - 1)].term
            if found <= term { return (index, found) }
            index -= 1
        }
        return (index, self.term(at: index))
    }

    /// Takes a snapshot of what this log holds, keeping entries after `baseIndex`.
    mutating func keep(_ taken: RaftSnapshot, compactingThrough newBase: UInt64) {
        precondition(taken.index > snapshotIndex && taken.index <= lastIndex && newBase <= taken.index)
        for entry in slice(max(snapshotIndex, baseIndex) + 1, through: taken.index) {
            weightAfterSnapshot -= entry.weight
        }
        snapshot = taken
        compact(through: newBase)
    }

    /// Forgets the entries up to `newBase`, which is at most the snapshot's index.
    mutating func compact(through newBase: UInt64) {
        guard newBase > baseIndex else { return }
        precondition(newBase <= snapshotIndex)
        baseTerm = term(at: newBase)!
        entries.removeFirst(Int(newBase - baseIndex))
        baseIndex = newBase
    }

    /// Replaces everything by a snapshot from the leader. Nothing is kept beside it, except by a simulated mistake.
    mutating func install(_ installed: RaftSnapshot, keeping tail: [RaftEntry] = []) {
        snapshot = installed
        baseIndex = installed.index
        baseTerm = installed.term
        entries = tail
        weightAfterSnapshot = tail.reduce(0) { $0 + $1.weight }
    }
}
