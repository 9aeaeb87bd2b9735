import Codec

/// Sizes as people type and read them: powers of 1024 in both directions.
enum ByteSize {
    /// Reads `20G`, `512MiB`, `1.5g`, `4096`. Returns nil for anything else, for zero digits and for more than 2^63 bytes.
    static func parse(_ text: String) -> UInt64? {
        var digits = Substring(text)
        let unit = digits.reversed().prefix { !$0.isNumber }
        digits = digits.dropLast(unit.count)
        guard let scale = scales[String(unit.reversed()).lowercased()] else { return nil }
        guard let (whole, thousandths) = DecimalText.parse(digits) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
        let bytes = product.addingReportingOverflow(thousandths * scale / 1000)
        guard !overflow, !bytes.overflow, scale > 1 || thousandths == 0, bytes.partialValue < 1 << 63 else {
            return nil
        }
        return bytes.partialValue
    }

    /// `184 KiB`, `3.1 MiB`, `48.3 MiB`, `412 MiB`: one decimal below 100, none for whole numbers.
    static func text(_ bytes: UInt64) -> String {
        guard bytes >= 1024 else { return "\(bytes) B" }
        var tenths = bytes.multipliedReportingOverflow(by: 10).overflow ? bytes / 10 * 10 : bytes * 10
        var unit = 0
        // 10,235 tenths is the last value that does not round to 1024 of a unit.
        while tenths >= 10_235, unit < names.count - 1 {
            tenths = (tenths + 512) / 1024
            unit += 1
        }
        if tenths >= 1000 { tenths = (tenths + 5) / 10 * 10 }
        return tenths % 10 == 0 ? "\(tenths / 10) \(names[unit])" : "\(tenths / 10).\(tenths % 10) \(names[unit])"
    }

    /// `125 GiB`: capacities are whole numbers, rounded down, so that nothing is promised that is not there.
    static func capacity(_ bytes: UInt64) -> String {
        if bytes >= 1 << 30 { return "\(bytes >> 30) GiB" }
        return "\(bytes >> 20) MiB"
    }

    /// `24 GiB` for a card of 24,564 MiB: a GPU's size is its marketed one, the nearest whole GiB.
    static func marketed(_ bytes: UInt64) -> String { "\((bytes + (1 << 29)) >> 30) GiB" }

    /// `31 MiB/s`; nil where the time is too short to say.
    static func speed(_ bytes: UInt64, over seconds: Double) -> String? {
        guard seconds > 0.001 else { return nil }
        return text(UInt64(Double(bytes) / seconds)) + "/s"
    }

    private static let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    private static let scales: [String: UInt64] = [
        "": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
        "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40,
    ]
}
