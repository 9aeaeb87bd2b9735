/// A set of task indices as ranges, so that an array of a million waiting tasks costs a few bytes.
struct IndexRanges: Hashable, Sendable {
    /// Ascending, none empty, none touching the next.
    private(set) var ranges: [Range<UInt32>] = []

    init() {}

    init(_ range: Range<UInt32>) {
        if !range.isEmpty { ranges = [range] }
    }

    var isEmpty: Bool { ranges.isEmpty }
    var first: UInt32? { ranges.first?.lowerBound }

    func contains(_ index: UInt32) -> Bool {
        let at = firstRange(endingAfter: index)
        return at < ranges.count && ranges[at].contains(index)
    }

    /// Adds indices that are all above those that are there.
    mutating func append(_ range: Range<UInt32>) {
        guard !range.isEmpty else { return }
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
    }

    mutating func insert(_ index: UInt32) {
        let at = firstRange(endingAfter: index)
        if at < ranges.count, ranges[at].contains(index) { return }
        let joinsPrevious = at > 0 && ranges[at - 1].upperBound == index
        let joinsNext = at < ranges.count && ranges[at].lowerBound == index + 1
        switch (joinsPrevious, joinsNext) {
        case (true, true):
            ranges[at - 1] = ranges[at - 1].lowerBound..<ranges[at].upperBound
            ranges.remove(at: at)
        case (true, false): ranges[at - 1] = ranges[at - 1].lowerBound..<index + 1
        case (false, true): ranges[at] = index..<ranges[at].upperBound
        case (false, false): ranges.insert(index..<index + 1, at: at)
        }
    }

    mutating func remove(_ index: UInt32) {
        let at = firstRange(endingAfter: index)
        guard at < ranges.count, ranges[at].contains(index) else { return }
        let before = ranges[at].lowerBound..<index
        let after = index + 1..<ranges[at].upperBound
        switch (before.isEmpty, after.isEmpty) {
        case (true, true): ranges.remove(at: at)
        case (true, false): ranges[at] = after
        case (false, true): ranges[at] = before
        case (false, false):
            ranges[at] = before
            ranges.insert(after, at: at + 1)
        }
    }

    private func firstRange(endingAfter index: UInt32) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= index { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
