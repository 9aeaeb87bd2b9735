import Codec

/// What is going to happen, soonest first; events of the same instant come out in the order in which they went in.
public struct EventQueue<Event> {
    private struct Item {
        var instant: Instant
        var number: UInt64
        var event: Event
    }

    private var heap: [Item] = []
    private var count: UInt64 = 0

    public init() {}

    /// When the next event is due.
    public var nextInstant: Instant? { heap.first?.instant }
    /// The next event, which stays.
    public var next: Event? { heap.first?.event }

    public mutating func add(_ event: Event, at instant: Instant) {
        count += 1
        heap.append(Item(instant: instant, number: count, event: event))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    public mutating func removeNext() -> Event? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first.event }
        heap[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, smallest) {
                smallest = child
            }
            guard smallest != parent else { return first.event }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heap[left].instant, heap[left].number) < (heap[right].instant, heap[right].number)
    }
}
