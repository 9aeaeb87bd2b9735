import Codec
import Scheduler

/// Counts what this daemon refuses, by reason, until it is said to the mesh: at most once a minute, however much it is.
struct RefusalMeter: Sendable {
    private var counts: [String: UInt64] = [:]
    private var nextTelling = Instant.zero

    private static let pause = Interval.seconds(60)
    /// What has still another reason is counted under this one.
    private static let other = "other"

    mutating func count(_ code: String) {
        let isKnown = counts[code] != nil || counts.count < SchedulerLimits.refusalCodesMax - 1
        counts[isKnown ? code : RefusalMeter.other, default: 0] += 1
    }

    /// What is to be said now, ascending by code; it counts as said. nil where there is nothing, or it is not time.
    mutating func takeDue(now: Instant) -> [RefusalCount]? {
        guard !counts.isEmpty, now >= nextTelling else { return nil }
        nextTelling = now + RefusalMeter.pause
        let due = counts.keys.sorted().map { RefusalCount(code: $0, count: counts[$0] ?? 0) }
        counts = [:]
        return due
    }

    /// It could not be said: it counts again.
    mutating func putBack(_ due: [RefusalCount]) {
        for refusal in due {
            let isKnown = counts[refusal.code] != nil || counts.count < SchedulerLimits.refusalCodesMax - 1
            counts[isKnown ? refusal.code : RefusalMeter.other, default: 0] += refusal.count
        }
    }
}
