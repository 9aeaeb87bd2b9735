/// Rows by ascending key, in pages of at most `pageRowsMax`.
///
/// A copy shares every page; the first change after it copies one page and the short directory, so a snapshot of the
/// whole state costs a copy of this struct and the entry after it stays cheap.
struct PagedTable<Key: Comparable & Sendable, Row: Sendable>: Sendable {
    static var pageRowsMax: Int { 256 }

    /// Never empty, keys strictly ascending within and across pages.
    fileprivate struct Page: Sendable {
        var keys: [Key]
        var rows: [Row]
    }

    private var pages: [Page] = []
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }
    var lastKey: Key? { pages.last?.keys.last }
    var first: (key: Key, row: Row)? { pages.first.map { ($0.keys[0], $0.rows[0]) } }

    /// Where the row of `key` is; good until rows are added or removed.
    func find(_ key: Key) -> RowPosition? {
        guard let page = pageHolding(key) else { return nil }
        let row = pages[page].keys.firstIndex(notBelow: key)
        guard row < pages[page].keys.count, pages[page].keys[row] == key else { return nil }
        return RowPosition(page: page, row: row)
    }

    func contains(_ key: Key) -> Bool { find(key) != nil }

    func key(at position: RowPosition) -> Key { pages[position.page].keys[position.row] }

    subscript(position: RowPosition) -> Row {
        _read { yield pages[position.page].rows[position.row] }
        _modify { yield &pages[position.page].rows[position.row] }
    }

    /// A copy of the row; nil where there is none.
    subscript(key: Key) -> Row? { find(key).map { self[$0] } }

    /// The row with the greatest key that is `key` or below.
    func last(notAbove key: Key) -> (key: Key, row: Row)? {
        guard let page = pageHolding(key) else { return nil }
        let above = pages[page].keys.firstIndex(notBelow: key)
        let row = above < pages[page].keys.count && pages[page].keys[above] == key ? above : above - 1
        return (pages[page].keys[row], pages[page].rows[row])
    }

    /// The row with the smallest key that is `key` or above.
    func first(notBelow key: Key) -> (key: Key, row: Row)? {
        var page = pageHolding(key) ?? 0
        guard page < pages.count else { return nil }
        var row = pages[page].keys.firstIndex(notBelow: key)
        if row == pages[page].keys.count {
            page += 1
            row = 0
        }
        return page < pages.count ? (pages[page].keys[row], pages[page].rows[row]) : nil
    }

    /// Looks at rows where they lie, ascending, from the first that is `key` or above, until `body` says no.
    func forEach(from key: Key?, while body: (Key, borrowing Row) -> Bool) {
        var page = key.flatMap { pageHolding($0) } ?? 0
        guard page < pages.count else { return }
        var row = key.map { pages[page].keys.firstIndex(notBelow: $0) } ?? 0
        while page < pages.count {
            while row < pages[page].keys.count {
                guard body(pages[page].keys[row], pages[page].rows[row]) else { return }
                row += 1
            }
            page += 1
            row = 0
        }
    }

    /// Adds a row or replaces the one of this key.
    mutating func set(_ key: Key, _ row: Row) {
        guard let last = pages.last?.keys.last, key <= last else { return append(key, row) }
        let page = pageHolding(key) ?? 0
        let index = pages[page].keys.firstIndex(notBelow: key)
        if index < pages[page].keys.count, pages[page].keys[index] == key {
            pages[page].rows[index] = row
            return
        }
        pages[page].keys.insert(key, at: index)
        pages[page].rows.insert(row, at: index)
        count += 1
        if pages[page].keys.count > Self.pageRowsMax { split(page) }
    }

    /// Ascending keys arrive here, so pages stay full.
    private mutating func append(_ key: Key, _ row: Row) {
        if pages.isEmpty || pages[pages.count - 1].keys.count >= Self.pageRowsMax {
            pages.append(Page(keys: [key], rows: [row]))
        } else {
            pages[pages.count - 1].keys.append(key)
            pages[pages.count - 1].rows.append(row)
        }
        count += 1
    }

    private mutating func split(_ page: Int) {
        let half = pages[page].keys.count / 2
        let upper = Page(keys: Array(pages[page].keys[half...]), rows: Array(pages[page].rows[half...]))
        pages[page].keys.removeLast(upper.keys.count)
        pages[page].rows.removeLast(upper.rows.count)
        pages.insert(upper, at: page + 1)
    }

    @discardableResult
    mutating func remove(_ key: Key) -> Row? {
        guard let position = find(key) else { return nil }
        pages[position.page].keys.remove(at: position.row)
        let row = pages[position.page].rows.remove(at: position.row)
        count -= 1
        if pages[position.page].keys.isEmpty {
            pages.remove(at: position.page)
        } else {
            mergeWithNext(position.page)
        }
        return row
    }

    /// Keeps pages at least a quarter full on average, so that the directory stays short.
    private mutating func mergeWithNext(_ page: Int) {
        guard page + 1 < pages.count, pages[page].keys.count + pages[page + 1].keys.count <= Self.pageRowsMax / 2
        else { return }
        let next = pages.remove(at: page + 1)
        pages[page].keys += next.keys
        pages[page].rows += next.rows
    }

    /// Where each page's rows lie in memory: two copies of a table share the pages that have the same place.
    var pagePlaces: [UnsafeRawPointer?] {
        pages.map { page in page.rows.withUnsafeBytes { $0.baseAddress } }
    }

    /// The last page whose first key is not above `key`.
    private func pageHolding(_ key: Key) -> Int? {
        var low = 0
        var high = pages.count
        while low < high {
            let middle = (low + high) / 2
            if pages[middle].keys[0] <= key { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }
}

extension PagedTable: Sequence {
    /// Ascending by key.
    struct Iterator: IteratorProtocol {
        fileprivate let pages: [Page]
        fileprivate var page = 0
        fileprivate var row = 0

        mutating func next() -> (key: Key, row: Row)? {
            guard page < pages.count else { return nil }
            let element = (pages[page].keys[row], pages[page].rows[row])
            row += 1
            if row == pages[page].keys.count {
                page += 1
                row = 0
            }
            return element
        }
    }

    func makeIterator() -> Iterator { Iterator(pages: pages) }
    var underestimatedCount: Int { count }
}

/// Where a row of a `PagedTable` is.
struct RowPosition: Hashable, Sendable {
    fileprivate(set) var page: Int
    fileprivate(set) var row: Int
}

extension Array where Element: Comparable {
    /// In a sorted array: the first index whose element is `element` or above.
    func firstIndex(notBelow element: Element) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// In a sorted array without repeats: adds the element; false where it is there already.
    @discardableResult
    mutating func insertSorted(_ element: Element) -> Bool {
        let index = firstIndex(notBelow: element)
        if index < count, self[index] == element { return false }
        insert(element, at: index)
        return true
    }

    /// In a sorted array without repeats: removes the element; false where it is not there.
    @discardableResult
    mutating func removeSorted(_ element: Element) -> Bool {
        let index = firstIndex(notBelow: element)
        guard index < count, self[index] == element else { return false }
        remove(at: index)
        return true
    }

    func containsSorted(_ element: Element) -> Bool {
        let index = firstIndex(notBelow: element)
        return index < count && self[index] == element
    }
}
