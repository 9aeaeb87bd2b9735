import Codec
import Raft

/// The replicated state of a simulated node: the numbers of all commands in order, folded into one.
struct RaftStateMachine: Hashable {
    private(set) var appliedIndex: UInt64 = 0
    private(set) var fold = TraceDigest()

    init() {}

    mutating func apply(_ entry: RaftEntry) {
        appliedIndex = entry.index
        if let command = entry.command { fold.add(Self.number(command)) }
    }

    /// A command's number, from 1.
    static func number(_ command: [UInt8]) -> UInt64 { command.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
    static func command(_ number: UInt64, padding: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - $0 * 8)) } + [UInt8](repeating: 0, count: padding)
    }

    /// The state as a snapshot carries it, with padding so that it takes several pieces.
    func encoded(padding: Int) -> [UInt8] {
        Self.command(appliedIndex, padding: 0) + Self.command(fold.value, padding: padding)
    }

    init(encoded: [UInt8]) {
        appliedIndex = Self.number(encoded)
        fold = TraceDigest(value: Self.number(Array(encoded.dropFirst(8))))
    }
}
