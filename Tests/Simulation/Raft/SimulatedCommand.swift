/// What one proposal asks of the replicated map. Log entries carry only its number; the simulation knows the rest, so that
/// entries stay small and what they mean cannot be mixed up.
struct SimulatedCommand {
    /// Nil for a proposal that nobody waits for: it only makes the log longer.
    var client: Int?
    /// Number of the client's request; a retry has the same, and must not take effect again.
    var serial: UInt64 = 0
    var key = 0
    var action = ClientOperation.Action.get

    /// The command's number, from 1, as the first eight bytes of its entry.
    static func number(_ entry: [UInt8]) -> UInt64 { entry.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }

    static func entry(_ number: UInt64, padding: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - $0 * 8)) } + [UInt8](repeating: 0, count: padding)
    }
}
