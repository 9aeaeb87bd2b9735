import Codec

/// The leader's eye on wall clocks: time in the log is the leader's, so one whose clock is far from those of the other
/// voters hands over. And each node is told with its lease how far its own clock is off.
///
/// Every renewal of a lease says what its sender's clock shows. The middle of the voters' clocks is what counts, so that
/// one wrong clock among three says nothing about the other two; of two clocks nobody can tell which one is wrong.
/// Pure arithmetic: it reads no clock.
struct ClockWatch: Sendable {
    private struct Sample: Sendable {
        /// What the node's clock was ahead of this one's, in nanoseconds.
        var ahead: Int64
        var heardAt: Instant
    }

    private var samples: [NodeID: Sample] = [:]
    /// Since when this clock has been off, or when the mesh was last asked to hand over because of it.
    private var offSince: Instant?
    private var nextLook = Instant.zero

    /// Thirty years: whatever is further off is just as wrong, and the arithmetic stays within bounds.
    static let farthest: Int64 = 1_000_000_000_000_000_000

    /// How far the middle of the voters' clocks is ahead of the leader's; nil where nobody can tell.
    func middle(of leader: NodeID, among voters: [NodeID], now: Instant) -> Int64? {
        let others = voters.filter { $0 != leader }.compactMap { fresh($0, now) }
        return Self.middle(of: [0] + others, voterCount: voters.count)
    }

    /// How far the clock of a node is ahead of that middle; nil where nobody can tell.
    func ahead(of node: NodeID, leader: NodeID, among voters: [NodeID], now: Instant) -> Int64? {
        guard let own = node == leader ? 0 : fresh(node, now), let middle = middle(of: leader, among: voters, now: now)
        else { return nil }
        return own - middle
    }

    /// What a node's clock was ahead, as far as it has said so lately.
    private func fresh(_ node: NodeID, _ now: Instant) -> Int64? {
        guard let sample = samples[node], now - sample.heardAt < NodeConstants.lease else { return nil }
        return sample.ahead
    }

    /// A node's clock, as its message said; the way here counts as the voter being behind, which is little.
    mutating func heard(_ node: NodeID, ahead: Int64, now: Instant) {
        samples[node] = Sample(ahead: min(max(ahead, -Self.farthest), Self.farthest), heardAt: now)
    }

    /// Whom to hand over to, where this clock has been off for `NodeConstants.clockPatience`: of those who may take over
    /// the one nearest to the middle, if it is near enough itself.
    mutating func successor(
        of leader: NodeID, among voters: [NodeID], now: Instant, mayTakeOver: (NodeID) -> Bool
    ) -> NodeID? {
        guard now >= nextLook else { return nil }
        nextLook = now + NodeConstants.clockLook
        let others = voters.filter { $0 != leader }.compactMap { voter -> (voter: NodeID, ahead: Int64)? in
            fresh(voter, now).map { (voter, $0) }
        }
        guard let middle = Self.middle(of: [0] + others.map(\.ahead), voterCount: voters.count),
            abs(middle) > NodeConstants.clockTolerance.nanoseconds
        else {
            offSince = nil
            return nil
        }
        guard let since = offSince, now - since >= NodeConstants.clockPatience else {
            offSince = offSince ?? now
            return nil
        }
        offSince = now
        let nearest = others.filter { mayTakeOver($0.voter) }.min { abs($0.ahead - middle) < abs($1.ahead - middle) }
        guard let nearest, abs(nearest.ahead - middle) <= NodeConstants.clockTolerance.nanoseconds else { return nil }
        return nearest.voter
    }

    /// The median of the clocks relative to this one's, of an even number the one of the two that is nearer to this one's;
    /// nil where fewer than three, or no majority, are known.
    private static func middle(of clocks: [Int64], voterCount: Int) -> Int64? {
        guard clocks.count >= 3, clocks.count > voterCount / 2 else { return nil }
        let sorted = clocks.sorted()
        let (low, high) = (sorted[(sorted.count - 1) / 2], sorted[sorted.count / 2])
        if low <= 0, high >= 0 { return 0 }
        return abs(low) < abs(high) ? low : high
    }
}
