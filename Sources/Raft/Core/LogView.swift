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
    /// The stretch that was last appended or cut out as a whole. The same entries go to the disk, to each follower and to
    /// the state machine: as one array they are copied once.
    private var recent: [RaftEntry] = []

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
    var lastTerm: UInt64 { entries.isEmpty ? baseTerm : entries[entries.count - 1].term }

    /// Nil where the entry has been compacted away or does not exist.
    func term(at index: UInt64) -> UInt64? {
        if index == baseIndex { return baseTerm }
        guard index > baseIndex, index <= lastIndex else { return nil }
        return entries[Int(index - baseIndex - 1)].term
    }

    /// The entries `first...last`, which must exist.
    mutating func slice(_ first: UInt64, through last: UInt64) -> [RaftEntry] {
        guard first <= last else { return [] }
        precondition(first > baseIndex && last <= lastIndex, "entries \(first)...\(last) are not in the log")
        if !recent.isEmpty, recent[0].index == first, recent.count == Int(last - first) + 1 { return recent }
        recent = Array(entries[Int(first - baseIndex - 1)...Int(last - baseIndex - 1)])
        return recent
    }

    /// The entries from `first` on, as many as the bounds allow but at least one if there is one; with their weight.
    mutating func batch(from first: UInt64, weight limit: Int, count: Int) -> (entries: [RaftEntry], weight: Int) {
        guard first <= lastIndex else { return ([], 0) }
        precondition(first > baseIndex, "entry \(first) has been compacted away")
        let start = Int(first - baseIndex - 1)
        let furthest = min(entries.count, start + count)
        var end = start
        var weight = 0
        while end < furthest {
            let next = entries[end].weight
            if end > start, weight + next > limit { break }
            weight += next
            end += 1
        }
        guard end > start else { return ([], 0) }
        return (slice(first, through: first + UInt64(end - start) - 1), weight)
    }

    /// Weight of the entries `first...last`, which must exist.
    func weight(_ first: UInt64, through last: UInt64) -> Int {
        guard first <= last else { return 0 }
        var weight = 0
        for position in Int(first - baseIndex - 1)...Int(last - baseIndex - 1) { weight += entries[position].weight }
        return weight
    }

    mutating func append(_ entry: RaftEntry) {
        precondition(entry.index == lastIndex + 1 && entry.term >= lastTerm, "an entry out of order")
        entries.append(entry)
        weightAfterSnapshot += entry.weight
    }

    /// Appends entries from a leader, which follow the log without a gap.
    mutating func append(contentsOf new: [RaftEntry]) {
        guard !new.isEmpty else { return }
        precondition(new[0].index == lastIndex + 1 && new[0].term >= lastTerm, "an entry out of order")
        entries += new
        for position in new.indices { weightAfterSnapshot += new[position].weight }
        recent = new
    }

    /// Drops the entries from `index` on.
    mutating func truncate(from index: UInt64) {
        precondition(index > snapshotIndex && index > baseIndex, "entry \(index) is part of the snapshot")
        while lastIndex >= index { weightAfterSnapshot -= entries.removeLast().weight }
        recent = []
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

    /// Takes a snapshot of what this log holds, keeping entries after `baseIndex`. One of the same index takes the place
    /// of one whose file broke.
    mutating func keep(_ taken: RaftSnapshot, compactingThrough newBase: UInt64) {
        precondition(taken.index >= snapshotIndex && taken.index <= lastIndex && newBase <= taken.index)
        if taken.index > snapshotIndex {
            weightAfterSnapshot -= weight(max(snapshotIndex, baseIndex) + 1, through: taken.index)
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
        recent = []
    }

    /// Replaces everything by a snapshot from the leader. Nothing is kept beside it, except by a simulated mistake.
    mutating func install(_ installed: RaftSnapshot, keeping tail: [RaftEntry] = []) {
        snapshot = installed
        baseIndex = installed.index
        baseTerm = installed.term
        entries = tail
        recent = []
        weightAfterSnapshot = tail.reduce(0) { $0 + $1.weight }
    }
}
