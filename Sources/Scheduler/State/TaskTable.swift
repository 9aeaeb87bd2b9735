/// The tasks of one job. Those that nobody has touched exist only as a count, so an array costs little until it runs.
struct TaskTable: Sendable {
    static let pageRows = 256

    let count: UInt32
    /// What has become of the tasks that wait: they are pending, or the job was cancelled and they with it, all at once.
    /// A record that says pending means this.
    private(set) var waiting: TaskState = .pending
    /// As they were written: an empty page stands for tasks that only ever waited, and so do those beyond the last.
    private(set) var pages: [[TaskRecord]] = []

    init(count: UInt32) { self.count = count }

    subscript(index: UInt32) -> TaskRecord {
        get {
            let page = Int(index) / Self.pageRows
            guard page < pages.count, !pages[page].isEmpty else { return TaskRecord(state: waiting) }
            return read(pages[page][Int(index) % Self.pageRows])
        }
        _modify {
            let page = Int(index) / Self.pageRows
            if page >= pages.count || pages[page].isEmpty { materialise(page) }
            yield &pages[page][Int(index) % Self.pageRows]
        }
    }

    /// What the record means.
    func read(_ record: TaskRecord) -> TaskRecord {
        guard record.state == .pending, waiting != .pending else { return record }
        var record = record
        record.state = waiting
        return record
    }

    /// The tasks that have a record, ascending.
    func forEachTouched<Failure: Error>(_ body: (UInt32, TaskRecord) throws(Failure) -> Void) throws(Failure) {
        for number in pages.indices {
            for row in pages[number].indices {
                try body(UInt32(number * Self.pageRows + row), read(pages[number][row]))
            }
        }
    }

    /// Every task that waits is cancelled, however many they are. None may begin to wait after that.
    mutating func cancelWaiting() { waiting = .cancelled }

    private mutating func materialise(_ page: Int) {
        while pages.count <= page { pages.append([]) }
        pages[page] = Array(repeating: TaskRecord(), count: Self.rows(ofPage: page, count: count))
    }

    private static func rows(ofPage page: Int, count: UInt32) -> Int { min(pageRows, Int(count) - page * pageRows) }

    // MARK: From a snapshot

    init(count: UInt32, waiting: TaskState) {
        self.count = count
        self.waiting = waiting
    }

    /// Adds `added` equal tasks behind those of their page; false where they do not belong there.
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
