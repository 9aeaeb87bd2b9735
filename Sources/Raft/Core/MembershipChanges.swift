import Codec

/// Membership changes: who is asked for them, how a joint one ends, and what follows for a leader (Raft, section 6).
extension RaftCore {
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
