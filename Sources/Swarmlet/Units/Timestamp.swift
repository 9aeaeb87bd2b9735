import Codec

/// Unix times printed in UTC, without a locale and without Foundation.
enum Timestamp {
    /// `2026-11-21T14:02:07Z`.
    static func rfc3339(_ instant: Instant) -> String {
        let (year, month, day, second) = civil(instant)
        let clock = "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
        return "\(four(year))-\(two(month))-\(two(day))T\(clock)Z"
    }

    /// `2026-11-21T14:02:07.120Z`, for log lines, where order within a second matters.
    static func rfc3339Milliseconds(_ instant: Instant) -> String {
        let milliseconds = floorModulo(instant.nanoseconds, 1_000_000_000) / 1_000_000
        let text = String(milliseconds)
        return rfc3339(instant).dropLast() + "." + String(repeating: "0", count: 3 - text.utf8.count) + text + "Z"
    }

    /// `15:04 UTC`.
    static func clock(_ instant: Instant) -> String {
        let second = civil(instant).second
        return "\(two(second / 3600)):\(two(second / 60 % 60)) UTC"
    }

    /// Days to a date by Howard Hinnant's `civil_from_days` (chrono-compatible low-level date algorithms).
    private static func civil(_ instant: Instant) -> (year: Int64, month: Int64, day: Int64, second: Int64) {
        let seconds = (instant.nanoseconds - floorModulo(instant.nanoseconds, 1_000_000_000)) / 1_000_000_000
        let second = floorModulo(seconds, 86_400)
        let shifted = (seconds - second) / 86_400 + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1, second)
    }

    private static func floorModulo(_ value: Int64, _ modulus: Int64) -> Int64 {
        let remainder = value % modulus
        return remainder < 0 ? remainder + modulus : remainder
    }

    private static func two(_ number: Int64) -> String { TimeSpan.padded(number) }
    private static func four(_ number: Int64) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 4 - text.utf8.count)) + text
    }
}
