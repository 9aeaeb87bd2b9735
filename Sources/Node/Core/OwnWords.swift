import Codec

/// Whether another process speaks with this node's key: gossip hears words under it, again and again, that are newer than
/// all that this node has said.
///
/// After a clock was set back a new process finds words of the one before ahead of its own, and goes above them: once for
/// each that some member still knew. One that lives goes above again itself, without end.
struct OwnWords: Sendable {
    private var times: [Instant] = []

    /// More than a process of before leaves behind.
    static let wordsMax = 8
    /// Within this time.
    static let window = Interval.seconds(600)

    /// Such a word was heard. True where there have been too many.
    mutating func overtaken(at now: Instant) -> Bool {
        times.append(now)
        if times.count > OwnWords.wordsMax { times.removeFirst() }
        return times.count == OwnWords.wordsMax && now - times[0] <= OwnWords.window
    }
}
