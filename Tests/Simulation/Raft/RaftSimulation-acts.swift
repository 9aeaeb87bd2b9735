import Codec
@_spi(Simulation) import Raft

/// What operators and nature do to the simulated mesh.
extension RaftSimulation {
    var leaderPosition: Int? {
        var best: Int?
        for position in nodes.indices where nodes[position].core?.role == .leader {
            guard let known = best, nodes[known].core!.term >= nodes[position].core!.term else {
                best = position
                continue
            }
        }
        return best
    }

    func act() throws(Violation) {
        guard isStormy else { return }
        // Troubles seldom come alone.
        let pause = generator.chance(1, in: 3) ? 1...Int64(100) : 10...2 * scenario.actMilliseconds
        events.add(.act, at: now + .milliseconds(generator.pick(pause)))
        guard !scenario.acts.isEmpty else { return }
        let position = generator.pick(0...(nodes.count - 1))
        switch generator.pick(from: scenario.acts) {
        case .crash: try crash(position)
        case .crashLeader: if let leaderPosition { try crash(leaderPosition) }
        case .crashAll: for position in nodes.indices { try crash(position) }
        case .partition:
            let shape = network.breakApart(&generator)
            tell("the network \(shape)")
        case .isolateLeader: isolateLeader()
        case .heal:
            network.heal()
            tell("the network heals")
        case .clog:
            let time = generator.pick(50...Int64(5_000))
            let links = network.clog(until: now + .milliseconds(time), &generator)
            tell("what goes \(links) is held back for \(time) ms")
        case .fade: fade(generator.chance(1, in: 2) ? leaderPosition ?? position : position)
        case .stallDisk:
            let time = generator.pick(100...Int64(6_000))
            disks[position].busyUntil = now + .milliseconds(time)
            tell("the disk of n\(position + 1) hangs for \(time) ms")
        case .failDisk: try failDisk(position)
        case .pause:
            let time = generator.pick(50...Int64(3_000))
            nodes[position].pausedUntil = now + .milliseconds(time)
            tell("n\(position + 1) sleeps for \(time) ms")
        case .transfer: try transfer()
        case .change: try change()
        case .changeOne: try changeOne()
        case .snapshot: if let plan = nodes[position].core?.snapshotPlan { takeSnapshot(plan, position) }
        case .brokenConnection:
            let other = generator.pick(0...(nodes.count - 1))
            tell("n\(position + 1) loses its connection to n\(other + 1)")
            try handle(position, [.unreachable(nodes[other].id)])
        case .flipBit: try flipBit(position)
        }
    }

    // MARK: Nature

    func crash(_ position: Int) throws(Violation) {
        guard nodes[position].core != nil else { return }
        outcome.crashes += 1
        nodes[position].core = nil
        noteDeadline(of: position)
        nodes[position].life += 1
        nodes[position].pausedUntil = now
        nodes[position].piecesUntil = now
        nodes[position].waiting = [:]
        nodes[position].cache = [:]
        disks[position].crash(&generator, faults: options.driverFaults)
        try checkCuts(of: position)
        let time = generator.pick(10...scenario.downMilliseconds)
        tell("n\(position + 1) crashes for \(time) ms")
        events.add(.restart(position), at: now + .milliseconds(time))
        guard generator.chance(1, in: 2) else { return }
        for other in nodes.indices where network.passes(from: position, to: other) {
            try handle(other, [.unreachable(nodes[position].id)])
        }
    }

    private func failDisk(_ position: Int) throws(Violation) {
        guard nodes[position].core != nil else { return }
        tell("a write of n\(position + 1) fails")
        try handle(position, [.diskFailed(reason: "input/output error")])
    }

    private func isolateLeader() {
        guard let leaderPosition else { return }
        network.isolate(leaderPosition)
        tell("n\(leaderPosition + 1), the leader, is cut off")
    }

    private func fade(_ position: Int) {
        let longest = generator.pick(from: [500, 1_500, Int64(5_000)])
        let time = generator.pick(50...longest)
        network.fade(position, until: now + .milliseconds(time))
        tell("what goes to n\(position + 1) is held back for \(time) ms, and nothing from there arrives")
    }

    private func flipBit(_ position: Int) throws(Violation) {
        guard nodes[position].core != nil, mayDamage(position) else { return }
        try crash(position)
        if let first = disks[position].flipBit(&generator, faults: options.driverFaults) {
            tell("a bit of n\(position + 1)'s log flips in entry \(first)")
        }
    }

    /// The fault atlas: there is always a good copy of everything, or only a person could decide what is lost.
    ///
    /// One disk at a time, and only where every set of voters that anybody counts still has a majority without it. For a
    /// log this is enough: what is decided is on a majority, of which only this one is bad.
    private func mayDamage(_ position: Int) -> Bool {
        for other in nodes.indices {
            guard !disks[other].durable.isDamaged, nodes[other].core?.isDamaged != true else { return false }
            guard let membership = nodes[other].core?.membership else { return false }
            for voters in [membership.voters, membership.outgoingVoters] where !voters.isEmpty {
                if voters.contains(nodes[position].id), voters.count < 3 { return false }
            }
        }
        return true
    }

    // MARK: Operators

    private func transfer() throws(Violation) {
        guard let leaderPosition else { return }
        let target = generator.chance(1, in: 3) ? nil : nodes[generator.pick(0...(nodes.count - 1))].id
        tell("n\(leaderPosition + 1) is asked to hand over to \(target.map { "\($0)" } ?? "anybody")")
        try handle(leaderPosition, [.transfer(to: target)])
    }

    private func change() throws(Violation) {
        let ids = nodes.map(\.id)
        let sizes = [1, 2, 2, 3, 3, 3, 4, 5, 5, 7].filter { $0 <= ids.count }
        let voters = generator.choose(generator.pick(from: sizes), of: ids)
        let rest = ids.filter { !voters.contains($0) }
        let learners = generator.choose(rest.isEmpty ? 0 : generator.pick(0...rest.count), of: rest)
        try aim(at: voters, learners)
    }

    /// Adds or removes one voter, which is what operators mostly do; anybody who leads is asked.
    private func changeOne() throws(Violation) {
        let leaders = nodes.indices.filter { nodes[$0].core?.role == .leader }
        guard !leaders.isEmpty else { return }
        let position = generator.pick(from: leaders)
        guard let membership = nodes[position].core?.membership else { return }
        let node = generator.pick(from: nodes.map(\.id))
        var voters = membership.voters
        if voters.contains(node) {
            guard voters.count > 1 else { return }
            voters.removeAll { $0 == node }
        } else {
            voters.append(node)
        }
        try aim(at: voters, membership.learners.filter { $0 != node })
    }

    /// An operator does not ask once, but until it is so or the patience is over; two may want different things.
    private func aim(at voters: [NodeID], _ learners: [NodeID]) throws(Violation) {
        if goals.isEmpty { events.add(.operate, at: now) }
        if goals.count == 2 { goals.removeFirst() }
        let end = now + .milliseconds(generator.pick(1...Int64(3_000)))
        goals.append(Goal(voters: voters, learners: learners, until: end))
        tell("voters \(voters) and learners \(learners) are wanted")
    }

    /// Asks somebody who believes to lead, also one who no longer should.
    func operate() throws(Violation) {
        goals.removeAll { $0.until < now }
        guard !goals.isEmpty, isStormy else { return goals.removeAll() }
        events.add(.operate, at: now + .milliseconds(generator.pick(5...Int64(150))))
        // A damaged node gives no vote, so nobody makes the mesh depend on one before it is repaired.
        for other in nodes.indices where disks[other].durable.isDamaged || nodes[other].core?.isDamaged == true {
            return
        }
        let goal = generator.pick(from: goals)
        let leaders = nodes.indices.filter { nodes[$0].core?.role == .leader && nodes[$0].pausedUntil <= now }
        guard !leaders.isEmpty else { return }
        let position = generator.pick(from: leaders)
        guard let membership = nodes[position].core?.membership,
            membership.voters != goal.voters.sorted() || membership.learners != goal.learners.sorted()
        else { return }
        try handle(
            position, [.change(id: nextRequest(), voters: goal.voters, learners: goal.learners)])
    }

    // MARK: The story

    func tell(_ line: @autoclosure () -> String) {
        guard options.tellsStory else { return }
        outcome.story.append("\(now.story)  \(line())")
    }

    func describe(_ membership: RaftMembership) -> String {
        var text = "voters \(membership.voters)"
        if membership.isJoint { text += " with \(membership.outgoingVoters)" }
        if !membership.learners.isEmpty { text += ", learners \(membership.learners)" }
        return text
    }

    func describeNodes() -> String {
        nodes.map { node in
            guard let core = node.core else { return "\(node.id) is down" }
            return "\(node.id) \(core.role) term \(core.term) commit \(core.commitIndex) last \(core.lastIndex)"
                + " \(describe(core.membership))" + (core.isDamaged ? " damaged" : "")
        }.joined(separator: "; ")
    }
}
