import Codec

/// The search for one key; see `Linearizability`.
struct LinearizabilitySearch {
    /// What has been done, as a sum that does not depend on the order, and the value that it led to.
    private struct Place: Hashable {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var value: UInt64 = 0
    }

    /// A call or an answer in the list of those not yet dealt with; position 0 is the list's end on both sides.
    private struct Event {
        var operation: Int
        var isAnswer: Bool
        var previous: Int
        var next: Int
        /// The other event of the operation; 0 where it was never answered.
        var partner: Int
    }

    private let operations: [ClientOperation]
    private let marks: [(low: UInt64, high: UInt64)]
    private var events: [Event] = []
    private var place = Place()
    private var seen: Set<Place> = []
    private var done: [(call: Int, before: Place)] = []
    private var remaining: Int
    /// How far any order came, and what stood in its way.
    private var fewestRemaining = Int.max
    private var obstacle: Int?

    init(_ all: [ClientOperation]) {
        // A write whose outcome nobody knows and whose value nobody saw explains nothing. Neither does a get.
        let wanted = Set(all.compactMap(\.observed))
        operations = all.filter { operation in
            operation.answer != .unknown || operation.written.map(wanted.contains) ?? false
        }
        remaining = operations.count { $0.answer != .unknown }
        var generator = SeededGenerator(seed: UInt64(operations.count))
        marks = operations.map { _ in (generator.next(), generator.next()) }
        listEvents()
    }

    private mutating func listEvents() {
        var order: [(time: UInt64, isAnswer: Bool, operation: Int)] = []
        for (number, operation) in operations.enumerated() {
            order.append((operation.called, false, number))
            if operation.answer != .unknown { order.append((operation.returned, true, number)) }
        }
        // Calls first among equals: what touches is taken to overlap.
        order.sort { ($0.time, $0.isAnswer ? 1 : 0, $0.operation) < ($1.time, $1.isAnswer ? 1 : 0, $1.operation) }
        var callOf = [Int](repeating: 0, count: operations.count)
        events = [Event(operation: -1, isAnswer: true, previous: order.count, next: order.isEmpty ? 0 : 1, partner: 0)]
        for (position, item) in order.enumerated() {
            let this = position + 1
            var event = Event(
                operation: item.operation, isAnswer: item.isAnswer, previous: this - 1,
                next: this == order.count ? 0 : this + 1, partner: 0)
            if item.isAnswer {
                event.partner = callOf[item.operation]
                events[event.partner].partner = this
            } else {
                callOf[item.operation] = this
            }
            events.append(event)
        }
    }

    mutating func run(stepLimit: Int) -> Linearizability.Verdict {
        if let odd = operations.first(where: { !$0.isConsistent }) { return .broken(odd) }
        var steps = 0
        var candidate = events[0].next
        while remaining > 0 {
            steps += 1
            guard steps <= stepLimit else { return .undecided(steps: stepLimit) }
            if !events[candidate].isAnswer {
                candidate = take(candidate) ? events[0].next : events[candidate].next
                continue
            }
            // Whatever else is done first, this answer must have been given: one of the choices before was wrong.
            if remaining < fewestRemaining {
                fewestRemaining = remaining
                obstacle = events[candidate].operation
            }
            guard let call = stepBack() else { return .broken(operations[obstacle ?? 0]) }
            candidate = events[call].next
        }
        return .linearizable
    }

    /// Does the operation now, where it fits and leads somewhere new.
    private mutating func take(_ call: Int) -> Bool {
        let number = events[call].operation
        let operation = operations[number]
        if let observed = operation.observed, observed != place.value { return false }
        if operation.answer == .unknown, !isSeenNext(operation.written, except: number) { return false }
        var after = place
        after.low ^= marks[number].low
        after.high ^= marks[number].high
        if let written = operation.written { after.value = written }
        guard seen.insert(after).inserted else { return false }
        done.append((call, place))
        place = after
        if operation.answer != .unknown { remaining -= 1 }
        unlink(call)
        if events[call].partner != 0 { unlink(events[call].partner) }
        return true
    }

    /// True where something that could come next sees this value.
    private func isSeenNext(_ value: UInt64?, except number: Int) -> Bool {
        var position = events[0].next
        while position != 0, !events[position].isAnswer {
            let other = events[position].operation
            if other != number, operations[other].observed == value { return true }
            position = events[position].next
        }
        return false
    }

    /// Takes back the last choice that had an alternative; nil where none is left.
    private mutating func stepBack() -> Int? {
        while let (call, before) = done.popLast() {
            let operation = operations[events[call].operation]
            if operation.answer != .unknown { remaining += 1 }
            place = before
            if events[call].partner != 0 { link(events[call].partner) }
            link(call)
            if operation.written != nil { return call }
        }
        return nil
    }

    private mutating func unlink(_ position: Int) {
        let event = events[position]
        events[event.previous].next = event.next
        events[event.next].previous = event.previous
    }

    /// Undoes `unlink`; in the opposite order, so that the neighbours are in place again.
    private mutating func link(_ position: Int) {
        let event = events[position]
        events[event.previous].next = position
        events[event.next].previous = position
    }
}
