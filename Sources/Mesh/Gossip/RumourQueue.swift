import Codec

/// What there is news of, and how often it was passed on.
///
/// It names topics only: the news itself is always what is known now, so an old rumour can never follow a new one.
/// Adding, and taking what one message holds, costs about the same in a mesh of three and in one of ten thousand.
struct RumourQueue: Sendable {
    /// How a member is, or what it says of itself.
    struct Topic: Hashable, Sendable {
        private let bits: UInt64
        init(_ subject: NodeID, isFacts: Bool = false) { bits = subject.rawValue << 1 | (isFacts ? 1 : 0) }
        var subject: NodeID { NodeID(bits >> 1) }
        var isFacts: Bool { bits & 1 == 1 }
    }

    private struct Item: Sendable {
        let topic: Topic
        /// Grows with each rumour; those that go first are beyond all others.
        let number: UInt64
    }

    private struct Echoes: Sendable {
        /// Not yet in the item's level.
        var waiting = 0
        var counted = 0
    }

    /// By how often they were sent; each a heap with the newest on top. Void items, whose number is not the topic's, stay
    /// until met.
    private var levels: [[Item]] = []
    /// The number of each topic's item. Never iterated where order matters.
    private var numbers: [Topic: UInt64] = [:]
    /// How often each topic's news came back from others. Only of topics with an item.
    private var echoes: [Topic: Echoes] = [:]
    private var newest: UInt64 = 0
    /// In all levels, void ones included.
    private var itemCount = 0

    /// So many rumours that do not fit are passed over in search of a shorter one.
    private static let passedOverMax = 16

    var isEmpty: Bool { numbers.isEmpty }
    var count: Int { numbers.count }

    func isEverySubject(_ isKnown: (NodeID) -> Bool) -> Bool { numbers.keys.allSatisfy { isKnown($0.subject) } }

    /// There is news of this; what was said of it before is void.
    ///
    /// - Parameter goesFirst: of all that was sent as often: an objection, on which a life depends.
    mutating func add(_ topic: Topic, goesFirst: Bool = false) {
        newest += 1
        let number = goesFirst ? newest | 1 << 63 : newest
        numbers[topic] = number
        echoes[topic] = nil
        push(Item(topic: topic, number: number), sends: 0)
        dropVoid()
    }

    mutating func remove(_ topic: Topic) {
        numbers[topic] = nil
        echoes[topic] = nil
    }

    /// Somebody else told this news: it need not be told that often here. At most so many count: what is known already is
    /// not checked, and a member that lies must not silence the others.
    mutating func heard(_ topic: Topic, echoesMax: Int) {
        guard numbers[topic] != nil else { return }
        let known = echoes[topic, default: Echoes()]
        if known.waiting + known.counted < echoesMax { echoes[topic, default: Echoes()].waiting += 1 }
    }

    /// Takes rumours for one message: those sent least first, the newest first among them, as many as `byteCountMax` holds.
    /// Each counts as sent, and is gone when it was sent, or heard, `sendsMax` times.
    mutating func take(
        byteCountMax: Int, sendsMax: Int, appendingTo taken: inout [SwimRumour], rumour: (Topic) -> SwimRumour?
    ) {
        guard !numbers.isEmpty else { return }
        var sent: [(item: Item, sends: Int)] = []
        var kept: [(item: Item, sends: Int)] = []
        var bytesLeft = byteCountMax
        var level = 0
        while level < levels.count {
            defer { level += 1 }
            while bytesLeft >= SwimRumour.byteCountMin, kept.count < Self.passedOverMax, let item = pop(level) {
                guard numbers[item.topic] == item.number else { continue }
                if let known = echoes[item.topic], known.waiting > 0 {
                    echoes[item.topic] = Echoes(counted: known.counted + known.waiting)
                    if level + known.waiting < sendsMax {
                        push(item, sends: level + known.waiting)
                    } else {
                        remove(item.topic)
                    }
                    continue
                }
                guard let rumour = rumour(item.topic) else {
                    remove(item.topic)
                    continue
                }
                let byteCount = rumour.byteCount
                guard byteCount <= bytesLeft else {
                    kept.append((item, level))
                    continue
                }
                bytesLeft -= byteCount
                taken.append(rumour)
                sent.append((item, level + 1))
            }
        }
        for (item, sends) in kept { push(item, sends: sends) }
        for (item, sends) in sent {
            if sends < sendsMax { push(item, sends: sends) } else { remove(item.topic) }
        }
    }

    private mutating func push(_ item: Item, sends: Int) {
        while levels.count <= sends { levels.append([]) }
        levels[sends].append(item)
        itemCount += 1
        var child = levels[sends].count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard levels[sends][parent].number < levels[sends][child].number else { return }
            levels[sends].swapAt(parent, child)
            child = parent
        }
    }

    private mutating func pop(_ level: Int) -> Item? {
        guard let top = levels[level].first, let last = levels[level].popLast() else { return nil }
        itemCount -= 1
        guard !levels[level].isEmpty else { return top }
        levels[level][0] = last
        Self.sink(&levels[level], from: 0)
        return top
    }

    private static func sink(_ heap: inout [Item], from start: Int) {
        var parent = start
        while true {
            var largest = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left].number > heap[largest].number { largest = left }
            if left + 1 < heap.count, heap[left + 1].number > heap[largest].number { largest = left + 1 }
            guard largest != parent else { return }
            heap.swapAt(parent, largest)
            parent = largest
        }
    }

    /// A topic with news again and again leaves void items behind; they must not outgrow the others.
    private mutating func dropVoid() {
        guard itemCount > 2 * numbers.count + 64 else { return }
        itemCount = 0
        for level in levels.indices {
            levels[level].removeAll { numbers[$0.topic] != $0.number }
            itemCount += levels[level].count
            for parent in (0..<levels[level].count / 2).reversed() { Self.sink(&levels[level], from: parent) }
        }
    }
}
