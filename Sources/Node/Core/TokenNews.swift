import Codec

/// What happened to tokens for people outside the mesh, as this node came to know it: the newest of it, numbered.
struct TokenNews: Sendable {
    struct Item: Hashable, Sendable {
        /// Nanoseconds since the Unix epoch.
        var at: Int64
        /// The token, as it is counted; nil for what is about many, or where it could not be told whose it was.
        var token: String?
        var event: TokenEventView.Event
        var detail: String?
    }

    /// Items that are remembered.
    static let countMax = 1_024

    private var items: [Item] = []
    /// How many have ever been added: the number of the newest, the first being 1.
    private(set) var last: UInt64 = 0

    mutating func add(_ item: Item) {
        if items.count >= TokenNews.countMax { items.removeFirst(TokenNews.countMax / 8) }
        items.append(item)
        last += 1
    }

    /// What was added after the one with that number, oldest first, at most so many.
    ///
    /// - Returns: the items, the number of the last of them, and how many have been forgotten before the first.
    func read(after number: UInt64, countMax: Int) -> (items: [Item], last: UInt64, missed: UInt64) {
        let oldest = last - UInt64(items.count)
        let begin = min(max(number, oldest), last)
        let found = items.dropFirst(Int(begin - oldest)).prefix(countMax)
        return (Array(found), begin + UInt64(found.count), begin - min(number, begin))
    }
}
