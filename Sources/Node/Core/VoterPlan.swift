import Codec

/// Which nodes should vote: a decision on what a leader knows, and nothing else.
///
/// The number of voters is one, three or five, never two or four, which would stop with any of two. Among the sizes
/// that the nodes allow, the one that survives the most further losses is taken, the larger of equals. Seats are kept
/// where that costs nothing: a voter that is merely silent keeps its seat, a dead one gives it to a node that is stable
/// and has the log, and where there is none keeps it, because a mesh that shrinks while its voters are away trusts fewer
/// disks. One that stands down keeps it only where the mesh would be left without a voter. Seats are spread over owners
/// first, then over racks.
struct VoterPlan: Sendable {
    /// A member as the leader sees it.
    struct Node: Hashable, Sendable {
        var id: NodeID
        var isVoter: Bool
        /// A worker never votes.
        var mayVote: Bool
        /// Answers, has done so for long enough, and has (nearly) the whole log: it could vote at once.
        var isFit: Bool
        /// Answers now. A voter that is silent is not lost yet.
        var isAlive: Bool
        /// Dead for longer than the mesh waits for a voter.
        var isDead: Bool
        /// Drains, or is about to leave: it hands its seat over.
        var standsDown: Bool
        var owner: String
        var rack: String

        /// What its seat should be given up for, where that is possible.
        var isUnwanted: Bool { isDead || standsDown }
    }

    /// Ascending.
    let nodes: [Node]
    let leader: NodeID
    /// nil: as many as the nodes allow.
    let wanted: Int?

    static let sizes = [1, 3, 5]

    /// The voters, ascending; nil where nothing sensible can be said and everything stays as it is.
    func voters() -> [NodeID]? {
        (best(withLeaving: false) ?? best(withLeaving: true))?.map(\.id).sorted()
    }

    private func best(withLeaving: Bool) -> [Node]? {
        var best: (chosen: [Node], tolerance: Int)?
        for size in Self.sizes where size <= wanted ?? Self.sizes[Self.sizes.count - 1] {
            guard let chosen = choose(size, withLeaving: withLeaving) else { continue }
            let majority = size / 2 + 1
            // A majority must answer now, or the change would not end.
            guard chosen.count(where: \.isAlive) >= majority else { continue }
            let tolerance = chosen.count { !$0.isDead } - majority
            if let best, tolerance < best.tolerance { continue }
            best = (chosen, tolerance)
        }
        return best?.chosen
    }

    /// That many nodes: those with a seat, then the fit ones, then, to fill up, those whose seat nobody can take.
    private func choose(_ size: Int, withLeaving: Bool) -> [Node]? {
        let able = nodes.filter(\.mayVote)
        var chosen = able.filter { $0.isVoter && !$0.isUnwanted }
        while chosen.count > size { chosen.remove(at: leastUseful(of: chosen)) }
        var free = able.filter { $0.isFit && !$0.isUnwanted && !chosen.contains($0) }
        while chosen.count < size, let next = best(of: free, beside: chosen) {
            chosen.append(free.remove(at: next))
        }
        while chosen.count == size, chosen.count(where: \.isAlive) <= size / 2,
            let silent = chosen.firstIndex(where: { !$0.isAlive }), let next = best(of: free, beside: chosen)
        {
            // Their seats would be kept, but a majority must answer.
            chosen[silent] = free.remove(at: next)
        }
        if chosen.count == size { spread(&chosen, free) }
        for node in able where chosen.count < size && node.isVoter && node.isUnwanted {
            if withLeaving || !node.standsDown { chosen.append(node) }
        }
        return chosen.count == size ? chosen : nil
    }

    /// Moves single seats as long as that spreads them better; each move lowers the cost, so it ends.
    private func spread(_ chosen: inout [Node], _ candidates: [Node]) {
        var free = candidates
        while true {
            let cost = Self.cost(chosen)
            var move: (out: Int, in: Int, cost: Int)?
            for out in chosen.indices {
                // A leader can hand over, but not for the sake of order.
                if chosen[out].id == leader { continue }
                for index in free.indices {
                    var changed = chosen
                    changed[out] = free[index]
                    let changedCost = Self.cost(changed)
                    if changedCost < move?.cost ?? cost { move = (out, index, changedCost) }
                }
            }
            guard let move else { return }
            (chosen[move.out], free[move.in]) = (free[move.in], chosen[move.out])
        }
    }

    private func leastUseful(of chosen: [Node]) -> Int {
        var worst = 0
        var worstRank: (Int, Int, Int)?
        for index in chosen.indices {
            var rest = chosen
            let node = rest.remove(at: index)
            let rank = (node.id == leader ? 1 : 0, node.isAlive ? 1 : 0, Self.cost(rest))
            // Of equals the youngest goes.
            if worstRank.map({ rank <= $0 }) ?? true { (worst, worstRank) = (index, rank) }
        }
        return worst
    }

    /// The candidate that spreads the seats best, the oldest of equals.
    private func best(of candidates: [Node], beside chosen: [Node]) -> Int? {
        candidates.indices.min { left, right in
            let costs = (Self.cost(chosen + [candidates[left]]), Self.cost(chosen + [candidates[right]]))
            return costs.0 != costs.1 ? costs.0 < costs.1 : candidates[left].id < candidates[right].id
        }
    }

    /// Pairs of seats with one owner count before pairs in one rack. What nobody labelled is one owner and one rack.
    private static func cost(_ chosen: [Node]) -> Int {
        var cost = 0
        for (index, node) in chosen.enumerated() {
            for other in chosen[(index + 1)...] {
                if node.owner == other.owner { cost += 100 }
                if node.rack == other.rack { cost += 1 }
            }
        }
        return cost
    }
}
