import Codec

/// What the simulator looks at after each step.
extension RaftCore {
    /// The first rule that this node's own state breaks, as a sentence; nil when all hold.
    @_spi(Simulation) public func brokenInvariant() -> String? {
        if log.baseIndex > log.snapshotIndex { return "compacted through \(log.baseIndex) beyond its snapshot" }
        guard log.snapshotIndex <= appliedIndex, appliedIndex <= commitIndex, commitIndex <= log.lastIndex else {
            return
                "snapshot \(log.snapshotIndex), applied \(appliedIndex), commit \(commitIndex), last \(log.lastIndex)"
        }
        if disk.durableIndex > log.lastIndex { return "durable through \(disk.durableIndex), last \(log.lastIndex)" }
        if log.lastTerm > term { return "log of term \(log.lastTerm) in term \(term)" }
        if membership.isJoint, !membership.staysJoint, memberships.latestIndex <= commitIndex, isReadyLeader {
            return "a committed joint membership was not left"
        }
        guard role == .leader else {
            return peers.isEmpty && transfer == nil && reads.count == 0 ? nil : "a follower holds a leader's state"
        }
        if leader != id { return "a leader that names another" }
        if reads.count != reads.waiting.count + reads.batches.reduce(0, { $0 + $1.requests.count }) {
            return "reads are miscounted"
        }
        if uncommittedWeight < 0 { return "uncommitted weight below zero" }
        if peers.map(\.id) != memberships.latest.members.filter({ $0 != id }) {
            return "tracks others than the members"
        }
        for peer in peers {
            if let broken = peer.brokenInvariant(lastIndex: log.lastIndex, in: configuration) {
                return "of \(peer.id): \(broken)"
            }
        }
        return nil
    }

    /// The entries in memory; the first has index `logBaseIndex + 1`.
    @_spi(Simulation) public var logEntries: [RaftEntry] { log.entries }
    @_spi(Simulation) public var logBaseIndex: UInt64 { log.baseIndex }
    @_spi(Simulation) public var logBaseTerm: UInt64 { log.baseTerm }
    @_spi(Simulation) public var votedFor: NodeID? { vote }
    /// Terms at which this node's log entries stand, nil where it has none.
    @_spi(Simulation) public func logTerm(at index: UInt64) -> UInt64? { log.term(at: index) }
}
