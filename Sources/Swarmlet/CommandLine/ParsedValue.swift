import Codec
import Node

/// The checked value of a flag.
enum ParsedValue: Sendable {
    case present
    case text(String)
    case count(UInt64)
    case bytes(UInt64)
    case interval(Interval)
    case pairs([Pair])

    /// `NAME=VALUE`, or a bare `NAME` where the flag allows it.
    struct Pair: Hashable, Sendable {
        var name: String
        var value: String?
    }

    /// Checks one typed value; nil when it is not what the flag takes.
    init?(_ text: String, for value: Flag.Value) {
        switch value {
        case .none: return nil
        case .text:
            guard !text.isEmpty else { return nil }
            self = .text(text)
        case .count(_, let range):
            guard DecimalText.isDigits(Substring(text)), let number = UInt64(text), range.contains(number) else {
                return nil
            }
            self = .count(number)
        case .thousandths:
            guard let (whole, thousandths) = DecimalText.parse(Substring(text)), whole < 1 << 40 else { return nil }
            guard whole > 0 || thousandths > 0 else { return nil }
            self = .count(whole * 1000 + thousandths)
        case .size:
            guard let bytes = ByteSize.parse(text) else { return nil }
            self = .bytes(bytes)
        case .duration:
            guard let interval = TimeSpan.parse(text), interval.nanoseconds > 0 else { return nil }
            self = .interval(interval)
        case .choice(let words):
            guard words.contains(text) else { return nil }
            self = .text(text)
        case .variable:
            guard let pair = Self.pair(Substring(text)) ?? Self.bareName(text) else { return nil }
            self = .pairs([pair])
        case .labels:
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            let pairs = parts.compactMap(Self.pair)
            guard pairs.count == parts.count else { return nil }
            self = .pairs(pairs)
        case .retries:
            guard text == "never" || (DecimalText.isDigits(Substring(text)) && UInt32(text) != nil) else { return nil }
            self = .text(text)
        }
    }

    private static func pair(_ text: Substring) -> Pair? {
        guard let separator = text.firstIndex(of: "="), separator != text.startIndex else { return nil }
        return Pair(name: String(text[..<separator]), value: String(text[text.index(after: separator)...]))
    }

    private static func bareName(_ text: String) -> Pair? {
        text.isEmpty || text.utf8.contains(UInt8(ascii: "=")) ? nil : Pair(name: text, value: nil)
    }
}
