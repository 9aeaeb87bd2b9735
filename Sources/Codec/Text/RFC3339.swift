/// Times as text (RFC 3339), in UTC, from and to nanoseconds since the Unix epoch.
public enum RFC3339 {
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    private static let secondsPerDay: Int64 = 86_400

    /// `2026-11-21T14:30:00Z`, or with a fraction of 1...9 digits where asked for; digits beyond are cut off.
    public static func format(_ unixNanoseconds: Int64, fractionDigits: Int = 0) -> String {
        precondition((0...9).contains(fractionDigits))
        let seconds = floorDivide(unixNanoseconds, nanosecondsPerSecond)
        let days = floorDivide(seconds, secondsPerDay)
        let secondOfDay = seconds - days * secondsPerDay
        let date = civil(fromDays: days)
        var text = [UInt8]()
        text.reserveCapacity(30)
        func append(_ value: Int64, _ digits: Int, then separator: StaticString) {
            var unit: Int64 = 1
            for _ in 1..<digits { unit *= 10 }
            while unit > 0 {
                text.append(UInt8(ascii: "0") + UInt8(value / unit % 10))
                unit /= 10
            }
            text.append(contentsOf: UnsafeBufferPointer(start: separator.utf8Start, count: separator.utf8CodeUnitCount))
        }
        append(date.year, 4, then: "-")
        append(date.month, 2, then: "-")
        append(date.day, 2, then: "T")
        append(secondOfDay / 3600, 2, then: ":")
        append(secondOfDay / 60 % 60, 2, then: ":")
        append(secondOfDay % 60, 2, then: fractionDigits > 0 ? "." : "")
        if fractionDigits > 0 {
            append(floorRemainder(unixNanoseconds, nanosecondsPerSecond), 9, then: "")
            text.removeLast(9 - fractionDigits)
        }
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Nanoseconds since the Unix epoch of a time with `T`, seconds, a fraction of at most 9 digits or none, and `Z` or
    /// an offset.
    ///
    /// Lower-case letters, spaces and leap seconds are refused, and years whose nanoseconds do not fit (before 1678 and
    /// after 2261).
    public static func parse(_ text: String) throws(CodecError) -> Int64 {
        var reader = Reader(bytes: Array(text.utf8))
        let year = try reader.number(digits: 4, in: 0...9999)
        try reader.skip("-")
        let month = try reader.number(digits: 2, in: 1...12)
        try reader.skip("-")
        let day = try reader.number(digits: 2, in: 1...daysInMonth(year: year, month: month))
        try reader.skip("T")
        let hour = try reader.number(digits: 2, in: 0...23)
        try reader.skip(":")
        let minute = try reader.number(digits: 2, in: 0...59)
        try reader.skip(":")
        let second = try reader.number(digits: 2, in: 0...59)
        let fraction = try reader.fraction()
        let offset = try reader.offsetSeconds()
        try reader.end()
        let seconds =
            days(year: year, month: month, day: day) * secondsPerDay + hour * 3600 + minute * 60 + second - offset
        // Before the epoch the fraction counts back from the next second, so that no step overflows before the sum does.
        let borrow: Int64 = seconds < 0 && fraction > 0 ? 1 : 0
        let (whole, overflow) = (seconds + borrow).multipliedReportingOverflow(by: nanosecondsPerSecond)
        let (sum, overflowOfSum) = whole.addingReportingOverflow(fraction - borrow * nanosecondsPerSecond)
        guard !overflow, !overflowOfSum else { throw .malformed(.timestamp, .outOfRange, offset: 0) }
        return sum
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value + 1) / divisor - 1
    }

    private static func floorRemainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let remainder = value % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }

    // The two conversions count years from March, so that the leap day is the last of its year (H. Hinnant,
    // "chrono-compatible low-level date algorithms").

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private struct Reader {
        let bytes: [UInt8]
        var offset = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }
        private func flaw(_ flaw: CodecError.Flaw) -> CodecError { .malformed(.timestamp, flaw, offset: offset) }

        mutating func skip(_ character: Unicode.Scalar) throws(CodecError) {
            guard let next else { throw flaw(.truncated) }
            guard next == UInt8(ascii: character) else { throw flaw(.unexpectedByte) }
            offset += 1
        }

        mutating func digit() throws(CodecError) -> Int64 {
            guard let next else { throw flaw(.truncated) }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) else { throw flaw(.unexpectedByte) }
            offset += 1
            return Int64(next - UInt8(ascii: "0"))
        }

        mutating func number(digits: Int, in range: ClosedRange<Int64>) throws(CodecError) -> Int64 {
            let start = offset
            var value: Int64 = 0
            for _ in 0..<digits { value = value * 10 + (try digit()) }
            guard range.contains(value) else { throw .malformed(.timestamp, .outOfRange, offset: start) }
            return value
        }

        /// Nanoseconds of `.5` and the like; 0 where there is no point.
        mutating func fraction() throws(CodecError) -> Int64 {
            guard next == UInt8(ascii: ".") else { return 0 }
            offset += 1
            var value = try digit()
            var digits = 1
            while let next, next != UInt8(ascii: "Z"), next != UInt8(ascii: "+"), next != UInt8(ascii: "-") {
                guard digits < 9 else { throw flaw(.tooLarge) }
                value = value * 10 + (try digit())
                digits += 1
            }
            for _ in digits..<9 { value *= 10 }
            return value
        }

        mutating func offsetSeconds() throws(CodecError) -> Int64 {
            guard let sign = next else { throw flaw(.truncated) }
            if sign == UInt8(ascii: "Z") {
                offset += 1
                return 0
            }
            guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { throw flaw(.unexpectedByte) }
            offset += 1
            let hours = try number(digits: 2, in: 0...23)
            try skip(":")
            let seconds = hours * 3600 + (try number(digits: 2, in: 0...59)) * 60
            return sign == UInt8(ascii: "+") ? seconds : -seconds
        }

        func end() throws(CodecError) {
            guard offset == bytes.count else { throw flaw(.trailing) }
        }
    }
}
