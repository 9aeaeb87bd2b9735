import Codec

/// What is going to happen, soonest first; events of the same instant come out in the order in which they went in.
public struct EventQueue<Event> {
    /// What the heap moves around; the event itself stays where it is.
    private struct Item {
        var instant: Instant
        var number: UInt64
        var slot: Int
    }

    private var heap: [Item] = []
    private var slots: [Event?] = []
    private var free: [Int] = []
    private var count: UInt64 = 0

    public init() {}

    /// When the next event is due.
    public var nextInstant: Instant? { heap.first?.instant }
    /// The next event, which stays.
    public var next: Event? { heap.first.flatMap { slots[$0.slot] } }

    public mutating func add(_ event: Event, at instant: Instant) {
        count += 1
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot] = event
        } else {
            slot = slots.count
            slots.append(event)
        }
        heap.append(Item(instant: instant, number: count, slot: slot))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    public mutating func removeNext() -> Event? {
        guard let first = heap.first else { return nil }
        let event = slots[first.slot]
        slots[first.slot] = nil
        free.append(first.slot)
        let last = heap.removeLast()
        guard !heap.isEmpty else { return event }
        heap[0] = last
        var parent = 0
        while true {
            var smallest = parent
            let left = 2 * parent + 1
            if left < heap.count, isBefore(left, smallest) { smallest = left }
            if left + 1 < heap.count, isBefore(left + 1, smallest) { smallest = left + 1 }
            guard smallest != parent else { return event }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heap[left].instant, heap[left].number) < (heap[right].instant, heap[right].number)
    }
}
