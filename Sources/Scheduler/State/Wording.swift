import Codec

/// How sizes and times are said in messages.
enum Wording {
    /// "14:09" of the same UTC day as `now`, else "2026-11-21 14:09"; both nanoseconds since the Unix epoch.
    static func clock(_ time: Int64, seenAt now: Int64) -> String {
        let then = RFC3339.format(max(0, time))
        let date = then.prefix(10)
        let clock = then.dropFirst(11).prefix(5)
        return RFC3339.format(now).hasPrefix(date) ? String(clock) : "\(date) \(clock)"
    }

    /// Whole GiB, or MiB below one.
    static func size(_ bytes: UInt64) -> String {
        bytes >= 1 << 30 ? "\(bytes >> 30) GiB" : "\(bytes >> 20) MiB"
    }

    /// "8", or "0.5".
    static func cpus(_ millis: UInt64) -> String {
        guard millis % 1000 != 0 else { return "\(millis / 1000)" }
        var fraction = String(1000 + millis % 1000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(millis / 1000).\(fraction)"
    }

    static func count(_ number: UInt64, _ what: String) -> String { number == 1 ? "1 \(what)" : "\(number) \(what)s" }

    /// "8 CPUs", "0.5 CPUs", "1 CPU".
    static func cpuCount(_ millis: UInt64) -> String { millis == 1000 ? "1 CPU" : "\(cpus(millis)) CPUs" }

    /// What somebody typed, not longer than a line of an error may be.
    static func clipped(_ text: String) -> String { text.count <= 64 ? text : text.prefix(61) + "..." }

    static func joined(_ parts: [String]) -> String {
        guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
        return parts.dropLast().joined(separator: ", ") + " and " + last
    }
}
