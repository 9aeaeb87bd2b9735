import Codec
import Simulation

/// The times between storms: everything is healed, everyone hears the leader, and everything must be the same.
extension Schedule {
    private static let roundLimit = 60

    func calm() throws(ComparisonError) {
        tell("calm")
        outcome.calms += 1
        setCut([])
        try settle()
        var rounds = 0
        while rounds < 3 || !isWell {
            rounds += 1
            guard rounds < Self.roundLimit else {
                outcome.differences.append(
                    Difference(node: NodeID(0), what: "calm", ours: "\(facts)", theirs: "\(try theirs.facts())"))
                return
            }
            if leaders.isEmpty { try electAnyone(rounds) }
            for leader in leaders { try both(.beat, leader.id) }
            try settle()
        }
        restarted = []
        try compare(isCalm: true)
    }

    private var isWell: Bool {
        guard leaders.count == 1, let leader, leader.outgoing.isEmpty else { return false }
        return facts.allSatisfy {
            $0.term == leader.term && $0.lastIndex == leader.lastIndex && $0.commit == leader.lastIndex
                && $0.leader == leader.id
        }
    }

    private func electAnyone(_ round: Int) throws(ComparisonError) {
        for node in facts { try both(.expire, node.id) }
        try both(.campaign, facts[round % facts.count].id)
        try settle()
    }

    // MARK: Memberships change in calm weather: ours counts a change from its append on, etcd's from its commit

    func changeMembership() throws(ComparisonError) {
        try calm()
        guard outcome.differences.isEmpty, let leader else { return }
        let change = generator.chance(1, in: 2) ? learnerChange(leader) : voterChange(leader)
        guard let change else { return }
        count(change.changesVoters ? "joint changes" : "learner changes")
        let old = change.oldVoters + change.oldLearners
        let new = change.voters + change.learners
        for id in new where !old.contains(id) { try start(id, voters: []) }
        try both(.change(change), leader.id)
        try settle()
        try beatLeaders(5)
        for id in old where !new.contains(id) { stop(id) }
        facts = try ours.facts()
        try calm()
    }

    func beatLeaders(_ times: Int) throws(ComparisonError) {
        for _ in 0..<times {
            for leader in leaders { try both(.beat, leader.id) }
            try settle()
        }
    }

    /// One learner comes or goes.
    private func learnerChange(_ leader: Facts) -> Change? {
        var learners = leader.learners
        if !learners.isEmpty, generator.chance(1, in: 2) {
            learners.remove(at: generator.pick(0...(learners.count - 1)))
        } else {
            guard let fresh = unused(leader).first else { return nil }
            learners = (learners + [fresh]).sorted()
        }
        return Change(
            voters: leader.voters, learners: learners, oldVoters: leader.voters, oldLearners: leader.learners)
    }

    private func unused(_ leader: Facts) -> [NodeID] {
        let used = leader.voters + leader.learners
        return (1...Self.highestNumber).map { NodeID($0) }.filter { !used.contains($0) }
    }

    /// Any step to one to five voters that keep the leader: learners rise, voters fall, some come and some go.
    private func voterChange(_ leader: Facts) -> Change? {
        let everyone = (1...Self.highestNumber).map { NodeID($0) }.filter { $0 != leader.id }
        let voters = (generator.choose(generator.pick(0...4), of: everyone) + [leader.id]).sorted()
        let rest = everyone.filter { !voters.contains($0) }
        let learners = rest.isEmpty ? [] : generator.choose(generator.pick(0...min(2, rest.count)), of: rest)
        guard voters != leader.voters else { return nil }
        return Change(voters: voters, learners: learners, oldVoters: leader.voters, oldLearners: leader.learners)
    }
}
