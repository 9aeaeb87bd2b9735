import Codec

/// The memberships that the log holds, so that one whose entry is cut away gives way to the one before it.
///
/// The newest is in force from its append on, committed or not (Raft, section 6). The first may be empty: a node that has
/// not been told yet.
struct MembershipHistory: Sendable {
    private(set) var latest: RaftMembership
    private(set) var latestIndex: UInt64
    /// Counts changes of `latest`, so that a look at a number tells whether there was one.
    private(set) var revision: UInt64 = 0
    /// The ones before it, oldest first.
    private var earlier: [(index: UInt64, membership: RaftMembership)] = []

    init(_ log: LogView) {
        latest = log.snapshot?.membership ?? RaftMembership()
        latestIndex = log.snapshotIndex
        append(log.entries)
    }

    /// The membership in force at `index`.
    func membership(at index: UInt64) -> RaftMembership {
        if latestIndex <= index || earlier.isEmpty { return latest }
        return earlier.last(where: { $0.index <= index })?.membership ?? earlier[0].membership
    }

    /// Looks through new entries of the log.
    mutating func append(_ entries: [RaftEntry]) {
        for position in entries.indices {
            guard case .membership(let membership) = entries[position].payload else { continue }
            append(membership, at: entries[position].index)
        }
    }

    mutating func append(_ membership: RaftMembership, at index: UInt64) {
        guard index > latestIndex else { return }
        earlier.append((latestIndex, latest))
        latest = membership
        latestIndex = index
        revision += 1
    }

    mutating func truncate(from index: UInt64) {
        while latestIndex >= index, let before = earlier.popLast() {
            (latestIndex, latest) = before
            revision += 1
        }
    }

    /// Forgets those that a snapshot at `index` makes unnecessary. `keepingFirst` is true only where the simulator puts
    /// that mistake back.
    mutating func compact(through index: UInt64, keepingFirst: Bool = false) {
        let first = keepingFirst ? 1 : 0
        while earlier.count > first, (earlier.count > first + 1 ? earlier[first + 1].index : latestIndex) <= index {
            earlier.remove(at: first)
        }
        if keepingFirst, earlier.count > 1 { earlier.remove(at: 1) }
    }

    mutating func install(_ snapshot: RaftSnapshot) {
        earlier = []
        latest = snapshot.membership
        latestIndex = snapshot.index
        revision += 1
    }
}
