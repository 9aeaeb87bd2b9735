import Codec
@_spi(Simulation) import Raft

/// What must come out well when nothing more goes wrong: invariants (17) and (18).
extension RaftSimulation {
    enum Phase {
        case storm
        /// The mesh finds together.
        case calm(until: Instant)
        /// One node of a minority comes and goes.
        case flapping(Int, until: Instant, term: UInt64)
        case together(until: Instant)
        /// The leadership is handed to this node.
        case transferring(to: Int, asked: Int, until: Instant)
        /// Clients stop, because the leadership did not arrive: with small windows and slow disks a follower may never catch
        /// up with those who write. All logs become the same before it is handed on again.
        case catchingUp(asked: Int, until: Instant)
        /// Clients stop, and all logs become the same.
        case closing(until: Instant)
    }

    var isStormy: Bool {
        if case .storm = phase { return true }
        return false
    }

    /// True once clients ask for nothing more: at the end, and where a transfer has failed twice.
    var isClosing: Bool {
        switch phase {
        case .closing, .catchingUp: true
        case .transferring(_, let asked, _): asked > 2
        default: false
        }
    }

    /// Time that each part of the calm has: many election timeouts.
    private var limit: Instant { now + .milliseconds(options.calmMilliseconds * scenario.stretch) }

    func calm() throws(Violation) {
        phase = .calm(until: limit)
        tell("the storm is over")
        network.heal()
        network.weather = .fair
        committedBeforeCalm = checker.committedIndex
        for position in nodes.indices {
            nodes[position].pausedUntil = now
            disks[position].busyUntil = now
            // A write that hangs ends now.
            let life = nodes[position].life
            if scenario.finishesInAnyOrder {
                for token in disks[position].unfinished {
                    events.add(.finished(position, life: life, token: token), at: now)
                }
            } else if let token = disks[position].underway {
                events.add(.written(position, life: life, token: token), at: now)
            }
            if nodes[position].core == nil { try restart(position) }
        }
    }

    /// Goes on to the next part of the calm when this one is done; false at the end.
    func goOnCalming() throws(Violation) -> Bool {
        guard (now - lookedAt).milliseconds >= 5 else { return true }
        lookedAt = now
        switch phase {
        case .storm: break
        case .calm(let end):
            let isServing = scenario.clientCount == 0 || answersInCalm > 0
            guard isServing, isWell else {
                return try within(end, "(17) a mesh finds together again when the storm is over")
            }
            startFlapping()
        case .flapping(let position, let end, let term):
            guard now >= end else { break }
            try endFlapping(position, term)
        case .together(let end):
            guard isWell else { return try within(end, "(17) a mesh finds together after a node came and went") }
            try startTransfer(asked: 0)
        case .transferring(let target, let asked, let end):
            if nodes[target].core?.isReadyLeader == true {
                phase = .closing(until: limit)
            } else if now >= end {
                guard asked < 4 else {
                    throw checker.fail(
                        "(17) the leadership goes where it is asked to go", "to \(nodes[target].id): \(describeNodes())"
                    )
                }
                if asked == 2 {
                    phase = .catchingUp(asked: asked, until: limit)
                } else {
                    try startTransfer(asked: asked)
                }
            }
        case .catchingUp(let asked, let end):
            guard isWell, isSettled else { return try within(end, "(17) all logs become the same") }
            try startTransfer(asked: asked)
        case .closing(let end):
            guard isWell, isSettled else { return try within(end, "(17) all logs become the same") }
            try judgeEnd()
            return false
        }
        return true
    }

    private func within(_ end: Instant, _ rule: String) throws(Violation) -> Bool {
        guard now < end else { throw checker.fail(rule, describeNodes()) }
        return true
    }

    // MARK: (18)

    /// Picks a node without which the others still have a majority, and lets it come and go.
    private func startFlapping() {
        guard let leader = leaderPosition, let core = nodes[leader].core else { return }
        let membership = core.membership
        let others = nodes.indices.filter { position in
            guard position != leader, membership.isMember(nodes[position].id) else { return false }
            return membership.voters.count >= 3 || !membership.isVoter(nodes[position].id)
        }
        guard !others.isEmpty, generator.chance(2, in: 3) else {
            phase = .together(until: limit)
            return
        }
        let position = generator.pick(from: others)
        tell("n\(position + 1) begins to come and go")
        phase = .flapping(position, until: now + .milliseconds(2_500 * scenario.stretch), term: core.term)
        events.add(.flap, at: now)
    }

    func flap() {
        guard case .flapping(let position, _, _) = phase else { return }
        network.rejoin(position)
        switch generator.pick(0...3) {
        case 0: network.isolate(position)
        case 1: network.cut(position, incoming: true)
        case 2: network.cut(position, incoming: false)
        default: break
        }
        events.add(.flap, at: now + .milliseconds(generator.pick(20...Int64(900))))
    }

    /// (18) A node that comes and goes does not move the others' term.
    private func endFlapping(_ position: Int, _ term: UInt64) throws(Violation) {
        network.rejoin(position)
        for other in nodes.indices where other != position {
            guard let core = nodes[other].core, core.term > term + 1 else { continue }
            throw checker.fail(
                "(18) a node that comes and goes does not disturb the others",
                "n\(position + 1) moved the term from \(term) to \(core.term)")
        }
        tell("n\(position + 1) stays")
        phase = .together(until: limit)
    }

    // MARK: (17)

    private func startTransfer(asked: Int) throws(Violation) {
        guard let leader = leaderPosition, let core = nodes[leader].core else { return }
        let voters = nodes.indices.filter { $0 != leader && core.membership.voters.contains(nodes[$0].id) }
        guard !voters.isEmpty else {
            phase = .closing(until: limit)
            return
        }
        let target = generator.pick(from: voters)
        tell("n\(leader + 1) is asked to hand over to n\(target + 1)")
        phase = .transferring(to: target, asked: asked + 1, until: now + .milliseconds(1_500 * scenario.stretch))
        try handle(leader, [.transfer(to: nodes[target].id)])
    }

    /// One leader that all members follow and new commands decided.
    private var isWell: Bool {
        guard let position = leaderPosition, let leader = nodes[position].core, leader.isReadyLeader,
            !leader.isChangingMembership, leader.transferTarget == nil, checker.committedIndex > committedBeforeCalm + 3
        else { return false }
        for other in nodes.indices where other != position {
            guard let core = nodes[other].core else { return false }
            if core.role == .leader { return false }
            guard leader.membership.isMember(core.id) else { continue }
            guard core.term == leader.term, core.leader == leader.id, core.commitIndex > committedBeforeCalm,
                core.membership == leader.membership, !core.isDamaged
            else { return false }
        }
        return !leader.isDamaged
    }

    /// All members hold and have applied the same.
    private var isSettled: Bool {
        guard let position = leaderPosition, let leader = nodes[position].core else { return false }
        return nodes.allSatisfy { node in
            guard let core = node.core, leader.membership.isMember(core.id) else { return true }
            return core.commitIndex == leader.commitIndex && core.lastIndex == leader.lastIndex
                && core.appliedIndex == leader.appliedIndex
        }
    }

    /// (16) What was acknowledged is there at the end.
    private func judgeEnd() throws(Violation) {
        guard let position = leaderPosition else { return }
        if let lost = oracle.lost(from: nodes[position].machine.cells) { throw checker.fail(lost.rule, lost.detail) }
    }
}
