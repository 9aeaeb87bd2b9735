import Codec

/// When which suspicion ends, the soonest first: what a timer looks at in a mesh with thousands of suspects.
///
/// Entries of suspicions that have changed since stay until their time; whoever takes one out asks whether it still holds.
struct VerdictQueue: Sendable {
    private struct Entry: Comparable, Sendable {
        let due: Instant
        let subject: NodeID
        static func < (left: Entry, right: Entry) -> Bool { (left.due, left.subject) < (right.due, right.subject) }
    }

    /// A heap.
    private var entries: [Entry] = []

    var count: Int { entries.count }
    var next: Instant { entries.first?.due ?? .distantFuture }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    mutating func add(_ subject: NodeID, due: Instant) {
        entries.append(Entry(due: due, subject: subject))
        var child = entries.count - 1
        while child > 0, entries[child] < entries[(child - 1) / 2] {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The subject of an entry whose time has come.
    mutating func takeDue(at now: Instant) -> NodeID? {
        guard let first = entries.first, first.due <= now else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first.subject }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2)
            where child < entries.count && entries[child] < entries[least] { least = child }
            guard least != parent else { return first.subject }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
