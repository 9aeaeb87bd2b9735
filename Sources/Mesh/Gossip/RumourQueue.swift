import Codec

/// Which members there is news of, and how often it was passed on.
///
/// It names subjects only: the news itself is always what is known now, so an old rumour can never follow a new one.
/// Adding, and taking what one message holds, costs the same in a mesh of three and in one of ten thousand.
struct RumourQueue: Hashable, Sendable {
    private struct Item: Hashable, Sendable {
        let subject: NodeID
        /// Grows with each rumour.
        let number: UInt64
    }

    /// By how often they were sent; in each the newest last. Void items, whose number is not the subject's, stay until met.
    private var levels: [[Item]] = []
    /// The number of each subject's item. Never iterated where order matters.
    private var numbers: [NodeID: UInt64] = [:]
    private var count: UInt64 = 0

    /// So many rumours that do not fit are passed over in search of a shorter one.
    private static let passedOverMax = 16

    var isEmpty: Bool { numbers.isEmpty }

    func isEverySubject(_ isKnown: (NodeID) -> Bool) -> Bool { numbers.keys.allSatisfy(isKnown) }

    /// There is news of this member; what was said of it before is void.
    mutating func add(_ subject: NodeID) {
        count += 1
        numbers[subject] = count
        if levels.isEmpty { levels.append([]) }
        levels[0].append(Item(subject: subject, number: count))
        dropVoid()
    }

    mutating func remove(_ subject: NodeID) { numbers[subject] = nil }

    /// Takes rumours for one message: those sent least first, the newest first among them, as many as `byteCountMax` holds.
    /// Each counts as sent, and is gone when it was sent `sendsMax` times.
    mutating func take(byteCountMax: Int, sendsMax: Int, rumour: (NodeID) -> SwimRumour?) -> [SwimRumour] {
        var taken: [SwimRumour] = []
        var sent: [(item: Item, sends: Int)] = []
        var bytesLeft = byteCountMax
        var passedOver = 0
        for level in levels.indices {
            var kept: [Item] = []
            while bytesLeft >= SwimRumour.byteCountMin, passedOver < Self.passedOverMax,
                let item = levels[level].popLast()
            {
                guard numbers[item.subject] == item.number else { continue }
                guard let rumour = rumour(item.subject) else {
                    numbers[item.subject] = nil
                    continue
                }
                guard rumour.byteCountMax <= bytesLeft else {
                    kept.append(item)
                    passedOver += 1
                    continue
                }
                bytesLeft -= rumour.byteCountMax
                taken.append(rumour)
                sent.append((item, level + 1))
            }
            levels[level] += kept.reversed()
        }
        for (item, sends) in sent {
            if sends < sendsMax { insert(item, sends: sends) } else { numbers[item.subject] = nil }
        }
        return taken
    }

    private mutating func insert(_ item: Item, sends: Int) {
        while levels.count <= sends { levels.append([]) }
        let index = levels[sends].lastIndex { $0.number < item.number }.map { $0 + 1 } ?? 0
        levels[sends].insert(item, at: index)
    }

    /// A subject with news again and again leaves void items behind; they must not outgrow the others.
    private mutating func dropVoid() {
        guard levels[0].count > 2 * numbers.count + 64 else { return }
        for level in levels.indices { levels[level].removeAll { numbers[$0.subject] != $0.number } }
    }
}
