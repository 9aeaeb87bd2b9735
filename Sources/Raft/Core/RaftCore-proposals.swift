import Codec

/// What a leader is asked to do: proposals, membership changes, handing over.
extension RaftCore {
    mutating func propose(_ request: UInt64, _ entry: [UInt8]) {
        if let error = refusal(ofBytes: entry.count) { return effects.append(.rejected(id: request, error)) }
        appendOwn(.command(entry))
        effects.append(.proposed(id: request, index: log.lastIndex, term: term))
    }

    private func refusal(ofBytes bytes: Int) -> RaftError? {
        guard role == .leader else { return .notLeader(leader: leader) }
        if let transfer { return .transferring(to: transfer.target) }
        guard bytes <= configuration.maximumEntryBytes else {
            return .entryTooLarge(bytes: bytes, limit: configuration.maximumEntryBytes)
        }
        // One entry is always allowed, or a mesh with a small bound could never do anything.
        guard uncommittedWeight == 0 || uncommittedWeight + bytes <= configuration.maximumUncommittedBytes else {
            return .tooMuchUncommitted(bytes: uncommittedWeight, limit: configuration.maximumUncommittedBytes)
        }
        return nil
    }

    /// Puts an entry of this leader's term behind the log.
    mutating func appendOwn(_ payload: RaftEntry.Payload) {
        precondition(role == .leader, "only a leader appends")
        let entry = RaftEntry(index: log.lastIndex + 1, term: term, payload: payload)
        log.append(entry)
        uncommittedWeight += entry.weight
        if case .membership(let membership) = payload {
            memberships.append(membership, at: entry.index)
            note(.changeConfiguration)
            note(.applyConfigurationChange)
            trackMembers()
        } else {
            note(.replicate)
        }
    }

    mutating func change(_ request: UInt64, voters: [NodeID], learners: [NodeID], staysJoint: Bool) {
        appendMembership(for: request) { core throws(RaftError) in
            guard !core.isChangingMembership else { throw .changeInProgress }
            let next = try core.membership.turning(into: voters, learners: learners, staysJoint: staysJoint)
            let difference =
                next.voters.count { !next.outgoingVoters.contains($0) }
                + next.outgoingVoters.count { !next.voters.contains($0) }
            let isAtOnce = next.isJoint && core.has(.changeOneVoterAtOnce) && difference == 1
            return isAtOnce ? try next.leaving() : next
        }
    }

    mutating func leaveJoint(_ request: UInt64) {
        appendMembership(for: request) { core throws(RaftError) in
            let next = try core.membership.leaving()
            guard core.memberships.latestIndex <= core.commitIndex else { throw .changeInProgress }
            return next
        }
    }

    private mutating func appendMembership(
        for request: UInt64, _ next: (RaftCore) throws(RaftError) -> RaftMembership
    ) {
        do throws(RaftError) {
            if let error = refusal(ofBytes: 0) { throw error }
            // A change before the term's first commit may meet one of another term (Ongaro, raft-dev, July 2015).
            guard isReadyLeader || has(.changeOneVoterAtOnce) else { throw .changeTooEarly }
            appendOwn(.membership(try next(self)))
            effects.append(.proposed(id: request, index: log.lastIndex, term: term))
        } catch {
            effects.append(.rejected(id: request, error))
        }
    }

    /// Ends a joint change as soon as it is committed, if it may do so by itself.
    mutating func leaveJointMembership() {
        guard role == .leader, membership.isJoint, !membership.staysJoint, isReadyLeader,
            memberships.latestIndex <= commitIndex
        else { return }
        appendOwn(.membership(membership.afterJoint))
    }

    /// A leader that its own, committed change has removed hands over and goes.
    mutating func stepDownIfRemoved() {
        guard role == .leader, !membership.isVoter(id), memberships.latestIndex <= commitIndex else { return }
        for position in peers.indices { sendCommit(to: position) }
        handOver()
    }

    // MARK: Leadership transfer (thesis, 3.10)

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

    /// Keeps `peers` to the members in force.
    mutating func trackMembers() {
        guard role == .leader else { return }
        let members = memberships.latest.members.filter { $0 != id }
        // A new member's log is looked for from the end: probing finds the place where it parts.
        peers = members.map { member in
            peers.first { $0.id == member } ?? Progress(id: member, next: log.lastIndex + 1, now: now)
        }
        if let transfer, !membership.isVoter(transfer.target) { self.transfer = nil }
    }
}
