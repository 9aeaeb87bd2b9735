import Codec
import Tokens

/// The tree of the log of what happened, as part of the replicated state: its right edge alone.
///
/// Lines are not kept here. They go to the shell with the entry that they come from, which has them on its disk before
/// the entries up to a snapshot are forgotten; who got a snapshot instead of entries asks other members for what it missed
/// and checks it against this tree. So the state grows by a hash each time that the log doubles.
struct AuditTree: Sendable {
    private(set) var frontier = MerkleFrontier()
    /// Those that have not been taken. No part of what the state says.
    private var lines: [AuditLine] = []

    init(_ frontier: MerkleFrontier = MerkleFrontier()) { self.frontier = frontier }

    mutating func append(_ event: AuditEvent, at time: Int64) {
        var event = event
        event.sequence = frontier.size
        event.time = time
        let line = event.line
        frontier.append(leaf: MerkleHash.leaf(line))
        lines.append(AuditLine(sequence: event.sequence, job: event.job, bytes: line))
    }

    mutating func takeLines() -> [AuditLine] {
        guard !lines.isEmpty else { return [] }
        let taken = lines
        lines = []
        return taken
    }
}
