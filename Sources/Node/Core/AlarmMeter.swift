import Codec

/// How often the same alarm is raised: once in a while, however often there is cause for it.
struct AlarmMeter: Sendable {
    private struct Entry: Sendable {
        var quietUntil: Instant
        var passedOver: UInt64
    }

    private var entries: [String: Entry] = [:]

    /// Alarms that are told apart; what else there is counts as one.
    static let subjectsMax = 64
    private static let other = "other"

    /// Whether an alarm about this subject is due now: then how often it was passed over since the last; else nil.
    mutating func raise(_ subject: String, pause: Interval, now: Instant) -> UInt64? {
        for key in entries.keys.sorted() {
            if let entry = entries[key], entry.passedOver == 0, entry.quietUntil <= now { entries[key] = nil }
        }
        let isKnown = entries[subject] != nil || entries.count < AlarmMeter.subjectsMax - 1
        let key = isKnown ? subject : AlarmMeter.other
        if var entry = entries[key], entry.quietUntil > now {
            entry.passedOver += 1
            entries[key] = entry
            return nil
        }
        defer { entries[key] = Entry(quietUntil: now + pause, passedOver: 0) }
        return entries[key]?.passedOver ?? 0
    }
}
