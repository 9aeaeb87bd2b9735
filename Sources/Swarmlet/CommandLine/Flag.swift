/// One flag of one command: how it is written, what may follow it, and what it does.
struct Flag: Sendable {
    /// Without the dashes: `gpu-mem`.
    let name: String
    /// The one-letter form, if there is one.
    let short: Character?
    let value: Value
    let help: String
    let occurrence: Occurrence

    enum Occurrence: Sendable {
        case once, repeated
    }

    /// What may follow a flag. `placeholder` is how help spells it.
    enum Value: Sendable {
        /// The flag is a switch.
        case none
        case text(placeholder: String)
        case count(placeholder: String, ClosedRange<UInt64>)
        /// A number with up to three decimals, kept in thousandths.
        case thousandths(placeholder: String)
        case size
        case duration
        case choice([String])
        /// `NAME=VALUE`, or a bare `NAME`.
        case variable
        /// `NAME=VALUE,NAME=VALUE`
        case labels
        /// A number of retries or the word `never`.
        case retries
    }

    init(
        _ name: String, short: Character? = nil, _ value: Value, occurrence: Occurrence = .once, _ help: String
    ) {
        self.name = name
        self.short = short
        self.value = value
        self.help = help
        self.occurrence = occurrence
    }

    /// A switch.
    init(_ name: String, short: Character? = nil, _ help: String) { self.init(name, short: short, .none, help) }

    /// `--gpus N`, as help and error lines show it.
    var spelling: String {
        guard let placeholder = value.placeholder else { return "--\(name)" }
        return "--\(name) \(placeholder)"
    }
}

extension Flag.Value {
    var placeholder: String? {
        switch self {
        case .none: nil
        case .text(let placeholder), .count(let placeholder, _), .thousandths(let placeholder): placeholder
        case .size: "SIZE"
        case .duration: "TIME"
        case .choice(let words): words.joined(separator: "|")
        case .variable: "NAME[=VALUE]"
        case .labels: "NAME=VALUE,..."
        case .retries: "N|never"
        }
    }

    /// What would have been right, for the error line of a value that is not.
    var expectation: String {
        switch self {
        case .none: "no value"
        case .text: "a text that is not empty"
        case .count(_, let range):
            range.upperBound == .max
                ? "a whole number, at least \(range.lowerBound)"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .thousandths: "a number above 0, such as 2 or 0.5"
        case .size: "a size, such as 512M or 20G (powers of 1024)"
        case .duration: "a time, such as 90s, 2h30m or 1-12:00:00"
        case .choice(let words): words.joined(separator: " or ")
        case .variable: "NAME=VALUE, or NAME to pass on its value"
        case .labels: "NAME=VALUE, more of them after commas"
        case .retries: "a whole number or never"
        }
    }
}
