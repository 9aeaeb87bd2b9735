import Codec

/// The pending timers of a loop: a binary heap over a table of slots, so that any timer can be removed in O(log n).
///
/// Timers of the same instant fire in the order they were added.
struct TimerHeap {
    /// What happens when a timer is due.
    enum Action {
        case work(@Sendable () -> Void)
        case wait(WaitToken)
    }

    private struct Slot {
        var generation: UInt32
        var position: Int
        var action: Action?
    }
    private struct Entry {
        var instant: Instant
        var order: UInt64
        var slot: UInt32
        func isBefore(_ other: Entry) -> Bool { (instant, order) < (other.instant, other.order) }
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    /// Invariant: `slots[heap[i].slot].position == i`, and no entry is before its parent.
    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var nextDeadline: Instant? { heap.first?.instant }
    var count: Int { heap.count }

    mutating func insert(at instant: Instant, _ action: Action) -> TimerToken {
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot(generation: 0, position: 0, action: nil))
        }
        order += 1
        slots[Int(slot)].action = action
        slots[Int(slot)].position = heap.count
        heap.append(Entry(instant: instant, order: order, slot: slot))
        siftUp(heap.count - 1)
        return TimerToken(slot: slot, generation: slots[Int(slot)].generation)
    }

    mutating func remove(_ token: TimerToken) {
        let slot = Int(token.slot)
        guard slot < slots.count, slots[slot].generation == token.generation, slots[slot].action != nil else { return }
        _ = removeEntry(at: slots[slot].position)
    }

    /// Takes out the first timer that is due.
    mutating func popDue(_ now: Instant) -> Action? {
        guard let first = heap.first, first.instant <= now else { return nil }
        return removeEntry(at: 0)
    }

    private mutating func removeEntry(at position: Int) -> Action? {
        let slot = Int(heap[position].slot)
        let action = slots[slot].action
        slots[slot].action = nil
        slots[slot].generation &+= 1
        free.append(UInt32(slot))
        let last = heap.removeLast()
        if position < heap.count {
            place(last, at: position)
            siftUp(position)
            siftDown(position)
        }
        return action
    }

    private mutating func place(_ entry: Entry, at position: Int) {
        heap[position] = entry
        slots[Int(entry.slot)].position = position
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        let entry = heap[position]
        while position > 0 {
            let parent = (position - 1) / 2
            guard entry.isBefore(heap[parent]) else { break }
            place(heap[parent], at: position)
            position = parent
        }
        place(entry, at: position)
    }

    private mutating func siftDown(_ start: Int) {
        var position = start
        let entry = heap[position]
        while true {
            var child = position * 2 + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(entry) else { break }
            place(heap[child], at: position)
            position = child
        }
        place(entry, at: position)
    }
}
