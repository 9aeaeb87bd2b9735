import Codec

/// How a membership follows from the one before it (Raft, section 6; the rules and the test cases are those of etcd's).
extension RaftMembership {
    /// More voters than this cost more than they protect.
    static let maximumVoters = 9

    /// The membership after `steps`, of which at most one may make or unmake a voter.
    public func changed(by steps: [RaftMembershipStep]) throws(RaftError) -> RaftMembership {
        guard !isJoint else { throw .changeInvalid(.simpleWhileJoint) }
        let next = try applying(steps)
        let changes = next.voters.count { !voters.contains($0) } + voters.count { !next.voters.contains($0) }
        guard changes <= 1 else { throw .changeInvalid(.severalVotersAtOnce) }
        return next
    }

    /// The joint membership of this one's voters and of those after `steps`.
    public func entering(
        _ steps: [RaftMembershipStep], staysJoint: Bool = false
    ) throws(RaftError) -> RaftMembership {
        guard !isJoint else { throw .changeInvalid(.alreadyJoint) }
        guard !voters.isEmpty else { throw .changeInvalid(.noVoterBefore) }
        var joint = self
        joint.outgoingVoters = voters
        joint.staysJoint = staysJoint
        return try joint.applying(steps)
    }

    /// The membership that ends a joint change.
    public func leaving() throws(RaftError) -> RaftMembership {
        guard isJoint else { throw .changeInvalid(.notJoint) }
        return afterJoint
    }

    /// What a joint membership turns into.
    var afterJoint: RaftMembership { RaftMembership(voters: voters, learners: learners + nextLearners) }

    /// The next membership on the way to exactly these voters and learners: joint where the voters change.
    func turning(
        into target: [NodeID], learners targetLearners: [NodeID], staysJoint: Bool
    ) throws(RaftError) -> RaftMembership {
        guard !targetLearners.contains(where: target.contains) else { throw .changeInvalid(.voterAndLearner) }
        let leaving = members.filter { !target.contains($0) && !targetLearners.contains($0) }
        let steps =
            leaving.map(RaftMembershipStep.removed) + target.map(RaftMembershipStep.voter)
            + targetLearners.map(RaftMembershipStep.learner)
        guard !isJoint, Self.sorted(target) == voters else { return try entering(steps, staysJoint: staysJoint) }
        return try changed(by: steps)
    }

    private func applying(_ steps: [RaftMembershipStep]) throws(RaftError) -> RaftMembership {
        var next = self
        for step in steps { next.apply(step) }
        guard !next.voters.isEmpty else { throw .changeInvalid(.noVoterAfter) }
        guard next.voters.count <= Self.maximumVoters else {
            throw .changeInvalid(.tooManyVoters(count: next.voters.count, limit: Self.maximumVoters))
        }
        return next
    }

    private mutating func apply(_ step: RaftMembershipStep) {
        switch step {
        case .voter(let node):
            forget(node)
            voters = Self.sorted(voters + [node])
        case .learner(let node):
            forget(node)
            // A voter of the old set stays one until the joint change ends.
            if outgoingVoters.contains(node) {
                nextLearners = Self.sorted(nextLearners + [node])
            } else {
                learners = Self.sorted(learners + [node])
            }
        case .removed(let node):
            forget(node)
        }
    }

    private mutating func forget(_ node: NodeID) {
        voters.removeAll { $0 == node }
        learners.removeAll { $0 == node }
        nextLearners.removeAll { $0 == node }
    }
}
