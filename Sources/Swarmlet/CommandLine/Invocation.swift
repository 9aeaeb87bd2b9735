import Codec

/// A command line that was understood: the values of its flags and what stood beside them.
struct Invocation: Sendable {
    let command: Command
    /// The operands in order; for `run` the command and its arguments, untouched.
    let operands: [String]
    private let values: [String: [ParsedValue]]

    init(command: Command, operands: [String], values: [String: [ParsedValue]]) {
        self.command = command
        self.operands = operands
        self.values = values
    }

    func has(_ flag: String) -> Bool { values[flag] != nil }

    func text(_ flag: String) -> String? {
        guard case .text(let text)? = values[flag]?.last else { return nil }
        return text
    }

    func texts(_ flag: String) -> [String] {
        (values[flag] ?? []).compactMap { value in
            guard case .text(let text) = value else { return nil }
            return text
        }
    }

    func count(_ flag: String) -> UInt64? {
        guard case .count(let number)? = values[flag]?.last else { return nil }
        return number
    }

    func bytes(_ flag: String) -> UInt64? {
        guard case .bytes(let bytes)? = values[flag]?.last else { return nil }
        return bytes
    }

    func interval(_ flag: String) -> Interval? {
        guard case .interval(let interval)? = values[flag]?.last else { return nil }
        return interval
    }

    /// All pairs of a repeatable or comma-separated flag, in the order they were typed.
    func pairs(_ flag: String) -> [ParsedValue.Pair] {
        (values[flag] ?? []).flatMap { value -> [ParsedValue.Pair] in
            guard case .pairs(let pairs) = value else { return [] }
            return pairs
        }
    }
}
