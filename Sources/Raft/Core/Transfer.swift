import Codec

/// Handing the leadership over (thesis, 3.10).
extension RaftCore {
    mutating func startTransfer(to target: NodeID?) {
        guard role == .leader, transfer == nil, let target = target ?? mostAdvancedVoter else { return }
        guard target != id, membership.isVoter(target), position(of: target) != nil else { return }
        transfer = (target, now + configuration.electionTimeoutMaximum)
        continueTransfer()
    }

    /// Hands over once the target has everything.
    mutating func continueTransfer() {
        guard let transfer, let position = position(of: transfer.target) else { return }
        if peers[position].match == log.lastIndex { sendTimeoutNow(to: transfer.target) }
    }

    /// Leaves the leadership to whoever is furthest, without waiting for it.
    mutating func handOver() {
        if let successor = mostAdvancedVoter { sendTimeoutNow(to: successor) }
        becomeFollower(term: term, leader: nil)
    }

    private mutating func sendTimeoutNow(to successor: NodeID) {
        // From now on there may be another leader at any moment.
        reads.mayUseLease = false
        send(.timeoutNow(term: term), to: successor)
    }

    /// The other voter with the longest log, the smallest number among equals.
    private var mostAdvancedVoter: NodeID? {
        var best: Progress?
        for peer in peers where membership.voters.contains(peer.id) && peer.match > (best?.match ?? 0) { best = peer }
        return best?.id
    }
}
