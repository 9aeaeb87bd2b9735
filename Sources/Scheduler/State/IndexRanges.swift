/// A set of task indices as ranges: an array of a million waiting tasks costs a few bytes, and one whose tasks wait
/// here and there is kept in pages, so that neither a change nor the copy after a snapshot touches all of it.
struct IndexRanges: Sendable {
    /// Where there is at most one range; empty where `many` holds them.
    private var only: Range<UInt32> = 0..<0
    /// Ends by begins; none empty, none touching the next. Nil where there is at most one.
    private var many: PagedTable<UInt32, UInt32>?

    init() {}

    init(_ range: Range<UInt32>) { only = range }

    var isEmpty: Bool { only.isEmpty && many == nil }
    var first: UInt32? { range(from: 0)?.lowerBound }

    func contains(_ index: UInt32) -> Bool { range(at: index) != nil }

    /// The part at or above `index` of the first range that has one.
    func range(from index: UInt32) -> Range<UInt32>? {
        guard let many else {
            return index < only.upperBound ? Swift.max(index, only.lowerBound)..<only.upperBound : nil
        }
        if let (begin, end) = many.last(notAbove: index), index < end { return Swift.max(begin, index)..<end }
        guard let (begin, end) = many.first(notBelow: index) else { return nil }
        return begin..<end
    }

    mutating func insert(_ index: UInt32) { insert(index..<index + 1) }

    /// Adds indices of which none is there.
    mutating func insert(_ added: Range<UInt32>) {
        guard !added.isEmpty else { return }
        let before = added.lowerBound == 0 ? nil : range(at: added.lowerBound - 1)
        let after = range(at: added.upperBound)
        if contains(added.lowerBound) { return }
        if let before { remove(whole: before) }
        if let after { remove(whole: after) }
        add(whole: (before?.lowerBound ?? added.lowerBound)..<(after?.upperBound ?? added.upperBound))
    }

    mutating func remove(_ index: UInt32) {
        guard let range = range(at: index) else { return }
        remove(whole: range)
        add(whole: range.lowerBound..<index)
        add(whole: index + 1..<range.upperBound)
    }

    /// The whole range that holds `index`.
    private func range(at index: UInt32) -> Range<UInt32>? {
        guard let many else { return only.contains(index) ? only : nil }
        guard let (begin, end) = many.last(notAbove: index), index < end else { return nil }
        return begin..<end
    }

    private mutating func add(whole range: Range<UInt32>) {
        guard !range.isEmpty else { return }
        if many == nil {
            guard !only.isEmpty else {
                only = range
                return
            }
            many = PagedTable()
            many?.set(only.lowerBound, only.upperBound)
            only = 0..<0
        }
        many?.set(range.lowerBound, range.upperBound)
    }

    private mutating func remove(whole range: Range<UInt32>) {
        guard many != nil else {
            only = 0..<0
            return
        }
        many?.remove(range.lowerBound)
        if many?.isEmpty == true { many = nil }
    }
}

extension IndexRanges: Sequence {
    /// The ranges, ascending.
    struct Iterator: IteratorProtocol {
        fileprivate let ranges: IndexRanges
        fileprivate var position: UInt32 = 0

        mutating func next() -> Range<UInt32>? {
            guard let range = ranges.range(from: position) else { return nil }
            position = range.upperBound
            return range
        }
    }

    func makeIterator() -> Iterator { Iterator(ranges: self) }
}

extension IndexRanges: Equatable {
    static func == (left: IndexRanges, right: IndexRanges) -> Bool { left.elementsEqual(right) }
}
