/// The tasks of one job. Those that nobody has touched exist only as a count, so an array costs little until it runs.
struct TaskTable: Sendable {
    static let pageRows = 256

    let count: UInt32
    /// What a task is that has no record of its own: pending, or cancelled before it was ever placed.
    private(set) var untouched: TaskState = .pending
    /// An empty page stands for untouched tasks; pages beyond the end are untouched too.
    private(set) var pages: [[TaskRecord]] = []

    init(count: UInt32) { self.count = count }

    subscript(index: UInt32) -> TaskRecord {
        get {
            let page = Int(index) / Self.pageRows
            guard page < pages.count, !pages[page].isEmpty else { return TaskRecord(state: untouched) }
            return pages[page][Int(index) % Self.pageRows]
        }
        _modify {
            let page = Int(index) / Self.pageRows
            if page >= pages.count || pages[page].isEmpty { materialise(page) }
            yield &pages[page][Int(index) % Self.pageRows]
        }
    }

    /// The tasks that have a record, ascending.
    func forEachTouched<Failure: Error>(_ body: (UInt32, TaskRecord) throws(Failure) -> Void) throws(Failure) {
        for number in pages.indices {
            for row in pages[number].indices { try body(UInt32(number * Self.pageRows + row), pages[number][row]) }
        }
    }

    /// Every task without a record becomes cancelled; how many they are.
    mutating func cancelUntouched() -> UInt32 {
        let touched = pages.reduce(0) { $0 + UInt32($1.count) }
        untouched = .cancelled
        return count - touched
    }

    private mutating func materialise(_ page: Int) {
        while pages.count <= page { pages.append([]) }
        pages[page] = Array(repeating: TaskRecord(state: untouched), count: Self.rows(ofPage: page, count: count))
    }

    private static func rows(ofPage page: Int, count: UInt32) -> Int { min(pageRows, Int(count) - page * pageRows) }

    // MARK: From a snapshot

    init(count: UInt32, untouched: TaskState) {
        self.count = count
        self.untouched = untouched
    }

    /// Adds `count` equal tasks behind those of their page; false where they do not belong there.
    mutating func restore(_ task: TaskRecord, count added: Int, at index: Int) -> Bool {
        let page = index / Self.pageRows
        guard added > 0, index < Int(count), added <= Int(count) - index, page + 1 >= pages.count else { return false }
        if page + 1 > pages.count {
            guard isWhole else { return false }
            while pages.count <= page { pages.append([]) }
        }
        guard pages[page].count == index % Self.pageRows, pages[page].count + added <= Self.pageRows else {
            return false
        }
        pages[page].append(contentsOf: repeatElement(task, count: added))
        return true
    }

    /// Whether every page has all of its tasks or none. Only the last one can lack some.
    var isWhole: Bool {
        guard let last = pages.last, !last.isEmpty else { return true }
        return last.count == Self.rows(ofPage: pages.count - 1, count: count)
    }
}
