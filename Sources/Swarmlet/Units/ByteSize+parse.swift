import Codec
import Node

/// Sizes as people type them: powers of 1024, as they are shown.
extension ByteSize {
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

    /// `31 MiB/s`; nil where the time is too short to say.
    static func speed(_ bytes: UInt64, over seconds: Double) -> String? {
        guard seconds > 0.001 else { return nil }
        return text(UInt64(Double(bytes) / seconds)) + "/s"
    }

    private static let scales: [String: UInt64] = [
        "": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
        "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40,
    ]
}
