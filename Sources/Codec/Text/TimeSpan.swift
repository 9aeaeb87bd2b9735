/// Lengths of time as people type and read them.
public enum TimeSpan {
    /// Reads `90s`, `2h30m`, `500ms`, `1-12:00:00`, `12:00:00`, `2:30` (minutes and seconds) and bare seconds. Nil for anything else.
    public static func parse(_ text: String) -> Interval? {
        text.contains(":") ? clock(text) : units(Substring(text))
    }

    /// `12s 4m10s 1h52m 2d03h`: the two largest units.
    public static func text(_ interval: Interval) -> String {
        let seconds = max(0, interval.nanoseconds) / 1_000_000_000
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m\(padded(seconds % 60))s"
        case ..<86_400: return "\(seconds / 3600)h\(padded(seconds / 60 % 60))m"
        default: return "\(seconds / 86_400)d\(padded(seconds / 3600 % 24))h"
        }
    }

    /// `0.4 s`, `14 s`, `4m10s`: what a sentence says; tenths below ten seconds.
    public static func phrase(_ interval: Interval) -> String {
        let tenths = (max(0, interval.nanoseconds) + 50_000_000) / 100_000_000
        switch tenths {
        case ..<100: return "\(tenths / 10).\(tenths % 10) s"
        case ..<600: return "\(tenths / 10) s"
        default: return self.text(interval)
        }
    }

    public static func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Repeated number and unit, each unit smaller than the one before it, so `30m2h` and `5m5m` are slips and not sums.
    private static func units(_ text: Substring) -> Interval? {
        var rest = text
        var total: Int64 = 0
        var smallest = Int64.max
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            let isBareSeconds = unit.isEmpty && smallest == .max && rest.isEmpty
            guard let scale = isBareSeconds ? scales["s"] : scales[String(unit)], scale < smallest,
                let (whole, thousandths) = DecimalText.parse(digits), whole < UInt64(Int64.max / scale)
            else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(
                Int64(whole) * scale + Int64(thousandths) * scale / 1000)
            guard !overflow else { return nil }
            (total, smallest) = (sum, scale)
        }
        return text.isEmpty ? nil : Interval(nanoseconds: total)
    }

    /// Slurm's `D-HH:MM:SS`, `HH:MM:SS`, `MM:SS`.
    private static func clock(_ text: String) -> Interval? {
        let dayParts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let fields = dayParts[dayParts.count - 1].split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(fields.count), dayParts.count == 1 || fields.count == 3 else { return nil }
        var seconds: UInt64 = 0
        for (position, field) in fields.enumerated() {
            guard DecimalText.isDigits(field), field.count <= 3, let value = UInt64(field), position == 0 || value < 60
            else {
                return nil
            }
            seconds = seconds * 60 + value
        }
        if dayParts.count == 2 {
            guard DecimalText.isDigits(dayParts[0]), let days = UInt64(dayParts[0]), days < 100_000 else { return nil }
            seconds += days * 86_400
        }
        return Interval(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    private static let scales: [String: Int64] = [
        "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000,
        "w": 604_800_000_000_000,
    ]
}
