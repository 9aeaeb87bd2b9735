import Codec

/// Which members there is news of, and how often it was passed on.
///
/// It names subjects only: the news itself is always what is known now, so an old rumour can never follow a new one.
struct RumourQueue: Hashable, Sendable {
    private struct Item: Hashable, Sendable {
        let subject: NodeID
        var sends: Int
        /// Grows with each rumour.
        let number: UInt64
    }

    // Fewest sends first, then newest.
    private var items: [Item] = []
    private var count: UInt64 = 0

    var isEmpty: Bool { items.isEmpty }
    var subjects: [NodeID] { items.map(\.subject) }

    /// There is news of this member; what was said of it before is void.
    mutating func add(_ subject: NodeID) {
        items.removeAll { $0.subject == subject }
        count += 1
        insert(Item(subject: subject, sends: 0, number: count))
    }

    mutating func remove(_ subject: NodeID) { items.removeAll { $0.subject == subject } }

    /// Takes rumours for one message: those sent least first, as many as `byteCountMax` holds. Each counts as sent, and
    /// is gone when it was sent `sendsMax` times.
    mutating func take(byteCountMax: Int, sendsMax: Int, rumour: (NodeID) -> SwimRumour?) -> [SwimRumour] {
        var taken: [SwimRumour] = []
        var bytesLeft = byteCountMax
        var sent: [Item] = []
        items.removeAll { item in
            guard let rumour = rumour(item.subject) else { return true }
            guard rumour.byteCountMax <= bytesLeft else { return false }
            bytesLeft -= rumour.byteCountMax
            taken.append(rumour)
            sent.append(item)
            return true
        }
        for var item in sent {
            item.sends += 1
            if item.sends < sendsMax { insert(item) }
        }
        return taken
    }

    private mutating func insert(_ item: Item) {
        let index = items.firstIndex { ($0.sends, item.number) > (item.sends, $0.number) } ?? items.endIndex
        items.insert(item, at: index)
    }
}
