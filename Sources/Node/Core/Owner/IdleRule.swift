import Codec

/// A sign by which a host finds that its owner is away.
public enum IdleRule: Hashable, Sendable {
    /// Nobody has used keyboard, mouse or a terminal for so long.
    case input(quiet: Interval)
    /// What is no job uses at most so many thousandths of a CPU.
    case load(cpuMillis: UInt64)
    /// This program ends with 0.
    case command(path: String)

    /// Nobody is there who has not moved for so long, where the rule does not say how long.
    public static let standardQuiet = Interval.seconds(300)
    /// Less would open the host while its owner reads.
    public static let leastQuiet = Interval.seconds(10)

    /// From `input[=DURATION]`, `load=CPUS` or `command=PATH`; nil for what is none of them.
    public init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        switch (parts[0], parts.count == 2 ? String(parts[1]) : nil) {
        case ("input", nil): self = .input(quiet: IdleRule.standardQuiet)
        case ("input", let value?):
            guard let quiet = TimeSpan.parse(value), quiet >= IdleRule.leastQuiet else { return nil }
            self = .input(quiet: quiet)
        case ("load", let value?):
            guard let (whole, thousandths) = DecimalText.parse(Substring(value)), whole < 1 << 20 else { return nil }
            self = .load(cpuMillis: whole * 1_000 + thousandths)
        case ("command", let value?):
            guard let path = HostPolicy.plain(value), path != "/" else { return nil }
            self = .command(path: path)
        default: return nil
        }
    }

    /// As it is typed.
    public var text: String {
        switch self {
        case .input(let quiet): return "input=\(quiet.nanoseconds / 1_000_000_000)s"
        case .load(let millis):
            let rest = "\(1_000 + millis % 1_000)".dropFirst()
            return "load=\(millis / 1_000).\(rest)"
        case .command(let path): return "command=\(path)"
        }
    }
}
