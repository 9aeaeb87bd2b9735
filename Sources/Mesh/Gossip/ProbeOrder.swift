import Codec

/// In which order members are probed: each once in a pass, and another order in each pass (SWIM, section 4.3).
///
/// A pass is a walk through all places from a random one with a random stride that is coprime with their number, so that
/// it takes no memory in a mesh of any size. Where members come or go within a pass, what is left of it becomes a list.
struct ProbeOrder: Hashable, Sendable {
    private var count = 0
    private var place = 0
    private var stride = 1
    /// Of the walk.
    private var left = 0
    /// Of a pass in which members changed, the next one last.
    private var list: [NodeID] = []

    /// So many are still to come in this pass.
    var remaining: Int { left + list.count }

    /// The next of these ids; begins a new pass where one has ended.
    mutating func next(_ ids: [NodeID], _ generator: inout SeededGenerator) -> NodeID? {
        if let id = list.popLast() { return id }
        guard !ids.isEmpty else { return nil }
        if left == 0 {
            count = ids.count
            left = count
            stride = Self.stride(count, &generator)
            place = Int(generator.next() % UInt64(count))
        }
        defer {
            place = (place + stride) % count
            left -= 1
        }
        return ids[place]
    }

    /// Members come and go: who is left of the pass stays, newcomers are put somewhere in it.
    mutating func change(from old: [NodeID], to new: [NodeID], _ generator: inout SeededGenerator) {
        // Between two passes there is nothing to keep: the next one has everyone.
        guard remaining > 0 else { return }
        var rest: [NodeID] = []
        while left > 0, let id = next(old, &generator) { rest.append(id) }
        list = list.reversed() + rest
        let known = Set(old)
        let kept = Set(new)
        list.removeAll { !kept.contains($0) }
        for id in new where !known.contains(id) {
            list.insert(id, at: Int(generator.next() % UInt64(list.count + 1)))
        }
        list.reverse()
    }

    /// Below `count` and coprime with it.
    static func stride(_ count: Int, _ generator: inout SeededGenerator) -> Int {
        while true {
            let stride = 1 + Int(generator.next() % UInt64(max(count, 1)))
            var (left, right) = (stride, count)
            while right != 0 { (left, right) = (right, left % right) }
            if left == 1 { return stride }
        }
    }
}
