import Codec

/// The memberships that the log holds, oldest first, so that one whose entry is cut away gives way to the one before it.
///
/// The newest is in force from its append on, committed or not (Raft, section 6). The first may be empty: a node that has
/// not been told yet.
struct MembershipHistory: Sendable {
    private var records: [(index: UInt64, membership: RaftMembership)]

    init(_ log: LogView) {
        records = [(log.snapshotIndex, log.snapshot?.membership ?? RaftMembership())]
        for entry in log.entries { append(entry) }
    }

    var latest: RaftMembership { records[records.count - 1].membership }
    var latestIndex: UInt64 { records[records.count - 1].index }

    /// The membership in force at `index`.
    func membership(at index: UInt64) -> RaftMembership {
        records.last(where: { $0.index <= index })?.membership ?? records[0].membership
    }

    mutating func append(_ entry: RaftEntry) {
        guard case .membership(let membership) = entry.payload, entry.index > latestIndex else { return }
        records.append((entry.index, membership))
    }

    mutating func truncate(from index: UInt64) {
        while records.count > 1, latestIndex >= index { records.removeLast() }
    }

    /// `keepingFirst` is true only where the simulator puts that mistake back.
    mutating func compact(through index: UInt64, keepingFirst: Bool = false) {
        if keepingFirst {
            while records.count > 2, records[2].index <= index { records.remove(at: 1) }
            if records.count > 2 { records.remove(at: 1) }
            return
        }
        while records.count > 1, records[1].index <= index { records.removeFirst() }
    }

    mutating func install(_ snapshot: RaftSnapshot) {
        records = [(snapshot.index, snapshot.membership)]
    }
}
