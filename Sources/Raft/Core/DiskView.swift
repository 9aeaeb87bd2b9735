/// What has been handed to the disk and what it has confirmed.
///
/// A disk may finish writes in any order. A write counts as durable once it and every write before it are: a crash may
/// then lose nothing that comes before it, and what an earlier, unfinished write cuts away or votes cannot come back
/// (etcd#1690, openraft#1960).
struct DiskView: Sendable {
    private struct Write: Sendable {
        var token: UInt64
        /// Last index of the log that is durable once this write is, unless something before it is cut away later.
        var lastIndex: UInt64
        var startedAt: Int64
        /// Finished, but one before it is not.
        var isDone = false
    }

    /// The last token given out.
    private(set) var lastToken: UInt64 = 0
    /// This write and all before it are finished.
    private(set) var durableToken: UInt64 = 0
    /// The last write that carried a new term or vote.
    private(set) var hardStateToken: UInt64 = 0
    /// The log on this node's disk agrees with the log in memory at least up to here.
    private(set) var durableIndex: UInt64
    /// The first entry that has not been handed out for writing.
    private(set) var unwrittenFrom: UInt64
    /// The last index that the disk has been asked to hold.
    private var writtenIndex: UInt64
    /// What is not durable, oldest first; the first of them is not done.
    private var writes: [Write] = []

    init(lastIndex: UInt64) {
        durableIndex = lastIndex
        unwrittenFrom = lastIndex + 1
        writtenIndex = lastIndex
    }

    var isIdle: Bool { writes.isEmpty }
    var isHardStateDurable: Bool { hardStateToken <= durableToken }
    /// When the oldest unfinished write began, in nanoseconds.
    var oldestWriteStart: Int64? { writes.first?.startedAt }
    /// The token of the write that comes next.
    var nextToken: UInt64 { lastToken + 1 }

    /// Where the disk has to cut its log before the next entries, if it has to.
    var truncation: UInt64? { unwrittenFrom <= writtenIndex ? unwrittenFrom : nil }

    /// The write after which the log is durable through `index`; the next one where it has not been handed out.
    func token(covering index: UInt64) -> UInt64 {
        guard index > durableIndex else { return 0 }
        var token = nextToken
        for write in writes.reversed() {
            guard write.lastIndex >= index else { break }
            token = write.token
        }
        return token
    }

    /// The log is cut. Writes under way no longer stand for what they brought beyond the cut; `forgettingWrites` is false
    /// only where the simulator puts that mistake back.
    mutating func truncated(from index: UInt64, forgettingWrites: Bool = true) {
        unwrittenFrom = min(unwrittenFrom, index)
        durableIndex = min(durableIndex, index - 1)
        guard forgettingWrites else { return }
        for position in writes.indices { writes[position].lastIndex = min(writes[position].lastIndex, index - 1) }
    }

    /// A snapshot takes the place of the whole log.
    mutating func installed(through index: UInt64) {
        truncated(from: 1)
        unwrittenFrom = index + 1
        writtenIndex = index
    }

    /// Gives out the number of the next write, which brings the disk up to `lastIndex`.
    mutating func begin(lastIndex: UInt64, carriesHardState: Bool, at nanoseconds: Int64) -> UInt64 {
        lastToken += 1
        if carriesHardState { hardStateToken = lastToken }
        unwrittenFrom = lastIndex + 1
        writtenIndex = lastIndex
        writes.append(Write(token: lastToken, lastIndex: lastIndex, startedAt: nanoseconds))
        return lastToken
    }

    /// These writes are finished; true where more is durable now.
    mutating func confirmed(_ tokens: ClosedRange<UInt64>) -> Bool {
        guard let first = writes.first?.token, tokens.upperBound >= first else { return false }
        if tokens.lowerBound > first {
            for position in writes.indices where tokens.contains(writes[position].token) {
                writes[position].isDone = true
            }
            return false
        }
        var count = 0
        while count < writes.count, writes[count].isDone || tokens.contains(writes[count].token) { count += 1 }
        durableIndex = writes[count - 1].lastIndex
        durableToken = writes[count - 1].token
        if count == writes.count { writes.removeAll(keepingCapacity: true) } else { writes.removeFirst(count) }
        return true
    }
}
