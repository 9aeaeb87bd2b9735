import Codec
@_spi(Simulation) import Raft

/// What clients, operators and nature do to the simulated mesh.
extension RaftSimulation {
    // MARK: Clients

    func propose() throws(Violation) {
        // The mesh is well when all logs are the same, which they never are while somebody writes.
        guard now < .zero + .milliseconds(options.stormMilliseconds + options.calmMilliseconds / 2) else { return }
        events.add(.propose, at: now + .milliseconds(generator.pick(1...(2 * scenario.proposalMilliseconds))))
        guard let position = someNode(preferringLeader: 4) else { return }
        var inputs: [RaftInput] = []
        for _ in 0..<generator.pick(1...3) {
            nextRequest += 1
            checker.willPropose(nextRequest)
            let command = RaftStateMachine.command(nextRequest, padding: scenario.padding)
            inputs.append(.propose(id: nextRequest, entry: command))
        }
        try handle(position, inputs)
    }

    func read() throws(Violation) {
        events.add(.read, at: now + .milliseconds(generator.pick(1...(2 * scenario.readMilliseconds))))
        guard let position = someNode(preferringLeader: 4) else { return }
        nextRequest += 1
        checker.willRead(nextRequest)
        try handle(position, [.read(id: nextRequest)])
    }

    /// A node that is up; `weight` times out of `weight + 1` one that believes to lead, also one that no longer should.
    private func someNode(preferringLeader weight: Int) -> Int? {
        let up = nodes.indices.filter { nodes[$0].core != nil && nodes[$0].pausedUntil <= now }
        let leaders = up.filter { nodes[$0].core?.role == .leader }
        guard !up.isEmpty else { return nil }
        return generator.pick(from: !leaders.isEmpty && generator.chance(weight, in: weight + 1) ? leaders : up)
    }

    private var leaderPosition: Int? {
        let leaders = nodes.indices.filter { nodes[$0].core?.role == .leader }
        return leaders.max { nodes[$0].core!.term < nodes[$1].core!.term }
    }

    // MARK: Operators and nature

    func act() throws(Violation) {
        guard !isCalm else { return }
        events.add(.act, at: now + .milliseconds(generator.pick(10...(2 * scenario.actMilliseconds))))
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
        case .stallDisk:
            let time = generator.pick(100...Int64(6_000))
            nodes[position].disk.busyUntil = now + .milliseconds(time)
            tell("the disk of n\(position + 1) hangs for \(time) ms")
        case .pause:
            let time = generator.pick(50...Int64(3_000))
            nodes[position].pausedUntil = now + .milliseconds(time)
            tell("n\(position + 1) sleeps for \(time) ms")
        case .transfer: try transfer()
        case .change: try change()
        case .snapshot: events.add(.snapshot(position, life: nodes[position].life), at: now)
        case .brokenConnection:
            let other = generator.pick(0...(nodes.count - 1))
            tell("n\(position + 1) loses its connection to n\(other + 1)")
            try handle(position, [.unreachable(nodes[other].id)])
        case .loseEntries: try loseEntries(position)
        }
    }

    private func crash(_ position: Int) throws(Violation) {
        guard nodes[position].core != nil else { return }
        outcome.crashes += 1
        nodes[position].core = nil
        nodes[position].life += 1
        nodes[position].pausedUntil = now
        nodes[position].disk.crash(&generator)
        let time = generator.pick(10...Int64(3_000))
        tell("n\(position + 1) crashes for \(time) ms")
        events.add(.restart(position), at: now + .milliseconds(time))
        guard generator.chance(1, in: 2) else { return }
        for other in nodes.indices where network.passes(from: position, to: other) {
            try handle(other, [.unreachable(nodes[position].id)])
        }
    }

    private func isolateLeader() {
        guard let leaderPosition else { return }
        network.isolate(leaderPosition)
        tell("n\(leaderPosition + 1), the leader, is cut off")
    }

    private func transfer() throws(Violation) {
        guard let leaderPosition else { return }
        let target = generator.chance(1, in: 3) ? nil : nodes[generator.pick(0...(nodes.count - 1))].id
        tell("n\(leaderPosition + 1) is asked to hand over to \(target.map { "\($0)" } ?? "anybody")")
        try handle(leaderPosition, [.transfer(to: target)])
    }

    private func change() throws(Violation) {
        guard let leaderPosition else { return }
        let ids = nodes.map(\.id)
        let sizes = [1, 3, 3, 3, 5, 5, 2, 4].filter { $0 <= ids.count }
        let voters = generator.choose(generator.pick(from: sizes), of: ids)
        let rest = ids.filter { !voters.contains($0) }
        let learners = generator.choose(rest.isEmpty ? 0 : generator.pick(0...rest.count), of: rest)
        nextRequest += 1
        tell("n\(leaderPosition + 1) is asked for voters \(voters) and learners \(learners)")
        try handle(leaderPosition, [.change(id: nextRequest, voters: voters, learners: learners)])
    }

    /// One disk at a time: where a majority is damaged, only a person can decide what is lost.
    private func loseEntries(_ position: Int) throws(Violation) {
        guard nodes.allSatisfy({ !$0.disk.durable.isDamaged && $0.core?.isDamaged != true }) else { return }
        guard nodes[position].core != nil else { return }
        try crash(position)
        if let first = nodes[position].disk.loseEntries(&generator) {
            tell("n\(position + 1) loses its log from \(first) on")
        }
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
