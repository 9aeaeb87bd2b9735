/// What has been handed to the disk and what it has confirmed.
struct DiskView: Sendable {
    private struct Write: Sendable {
        var token: UInt64
        /// Last index of the log that is durable once this write is, unless something before it is cut away later.
        var lastIndex: UInt64
        var startedAt: Int64
    }

    /// The last token given out and the last one confirmed.
    private(set) var lastToken: UInt64 = 0
    private(set) var durableToken: UInt64 = 0
    /// The last write that carried a new term or vote.
    private(set) var hardStateToken: UInt64 = 0
    /// The log on this node's disk agrees with the log in memory at least up to here.
    private(set) var durableIndex: UInt64
    /// The first entry that has not been handed out for writing.
    private(set) var unwrittenFrom: UInt64
    /// The last index that the disk has been asked to hold.
    private var writtenIndex: UInt64
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

    /// Where the disk has to cut its log before the next entries, if it has to.
    var truncation: UInt64? { unwrittenFrom <= writtenIndex ? unwrittenFrom : nil }

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

    mutating func confirmed(upTo token: UInt64) {
        var done = 0
        while done < writes.count, writes[done].token <= token {
            durableIndex = writes[done].lastIndex
            durableToken = writes[done].token
            done += 1
        }
        if done > 0 { writes.removeFirst(done) }
    }
}
