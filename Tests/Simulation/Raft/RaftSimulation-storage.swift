import Codec
@_spi(Simulation) import Raft

/// What a node's driver does: the disk, the state machine, snapshots.
extension RaftSimulation {
    // MARK: The log

    func persisting(_ persist: RaftPersist, _ position: Int, _ core: RaftCore) throws(Violation) {
        if let first = persist.entries.first {
            var previousTerm = core.logTerm(at: first.index - 1)
            for entry in persist.entries {
                if let previousTerm { try checker.wrote(entry, after: previousTerm, on: core) }
                previousTerm = entry.term
                cache(entry, position)
            }
        }
        disks[position].add(persist, at: now)
        guard scenario.finishesInAnyOrder else { return startWriting(position) }
        let end = max(disks[position].busyUntil, now + writingTime())
        events.add(.finished(position, life: nodes[position].life, token: persist.token), at: end)
        confirmEarly(position, persist.token)
    }

    private func writingTime() -> Interval {
        Interval(nanoseconds: generator.pick(scenario.diskMicroseconds) * 1_000)
    }

    private func confirmEarly(_ position: Int, _ token: UInt64) {
        guard options.driverFaults.contains(.confirmsBeforeDurable) else { return }
        events.add(.confirmed(position, life: nodes[position].life, token: token), at: now)
    }

    /// Lets an idle disk begin with what waits.
    func startWriting(_ position: Int) {
        guard let token = disks[position].begin() else { return }
        let end = max(disks[position].busyUntil, now + writingTime())
        events.add(.written(position, life: nodes[position].life, token: token), at: end)
        confirmEarly(position, token)
    }

    /// A leader whose disk hangs must give way, also where nothing but its disk tells it so (etcd#15247).
    func checkDiskOf(leader position: Int) throws(Violation) {
        guard let since = disks[position].waitingSince else { return }
        let limit = scenario.configuration.diskStallLimit.nanoseconds / 4 * 5 + 500_000_000
        guard (now - since).nanoseconds > limit else { return }
        throw checker.fail(
            "a leader whose disk hangs gives way",
            "\(nodes[position].id) leads while its disk has hung for \((now - since).milliseconds) ms")
    }

    // MARK: The state machine

    func apply(_ decided: RaftEntry, on position: Int, _ core: RaftCore) throws(Violation) {
        let entry = cached(decided, position)
        // The stored state may already hold what the log hands out again after a restart.
        guard entry.index > nodes[position].machine.appliedIndex else {
            guard entry.index <= checker.committedIndex else {
                throw checker.fail("a state is never ahead of what is decided", "\(core.id) at \(entry.index)")
            }
            return try checker.decided(entry, by: core, state: nodes[position].machine.fold)
        }
        let reply = nodes[position].machine.apply(entry, commands)
        let state = nodes[position].machine.fold
        try checker.decided(entry, by: core, state: state)
        try checker.applied(entry.index, by: core, state: state)
        guard let reply, let bytes = entry.command,
            let asker = nodes[position].waiting.removeValue(forKey: SimulatedCommand.number(bytes))
        else { return }
        answer(asker, reply)
    }

    /// The state that a node starts from: the snapshot, or what was stored since.
    func stored(on position: Int) -> RaftStateMachine {
        let kept = nodes[position].kept
        guard let snapshot = disks[position].durable.snapshot, snapshot.index > kept.appliedIndex else { return kept }
        return RaftStateMachine(
            encoded: snapshot.data, keys: scenario.keyCount, clients: scenario.clientCount)
    }

    func scheduleKeeping(_ position: Int) {
        guard scenario.keepMilliseconds > 0 else { return }
        let when = now + .milliseconds(generator.pick(1...(2 * scenario.keepMilliseconds)))
        events.add(.keep(position, life: nodes[position].life), at: when)
    }

    /// Stores the state with its applied index.
    func keep(_ position: Int, _ life: Int) {
        guard nodes[position].life == life, nodes[position].core != nil else { return }
        let index = nodes[position].kept.appliedIndex
        nodes[position].kept = nodes[position].machine
        // The index follows in a transaction of its own, for which the next turn of this is soon enough.
        if options.driverFaults.contains(.appliedIndexApart) { nodes[position].kept.pretend(appliedIndex: index) }
        scheduleKeeping(position)
    }

    // MARK: Snapshots

    func takeSnapshot(_ position: Int, _ life: Int) throws(Violation) {
        guard nodes[position].life == life, let core = nodes[position].core else { return }
        // After a restart the stored state may be ahead of what the core has handed out again.
        guard nodes[position].machine.appliedIndex <= core.appliedIndex else { return }
        let isBare = options.driverFaults.contains(.snapshotWithoutSessions)
        let state = nodes[position].machine.encoded(padding: scenario.padding, withSessions: !isBare)
        try handle(position, [.snapshotTaken(index: core.appliedIndex, data: state)])
    }

    func restore(_ snapshot: RaftSnapshot, on position: Int, _ core: RaftCore) throws(Violation) {
        outcome.snapshotsInstalled += 1
        nodes[position].cache.removeAll()
        nodes[position].machine = RaftStateMachine(
            encoded: snapshot.data, keys: scenario.keyCount, clients: scenario.clientCount)
        try checker.restored(
            index: snapshot.index, term: snapshot.term, by: core, state: nodes[position].machine)
        tell("\(core.id) restores the snapshot of \(snapshot.index)")
    }

    // MARK: The cache of `cacheKeepsTruncated`

    private func cache(_ entry: RaftEntry, _ position: Int) {
        guard options.driverFaults.contains(.cacheKeepsTruncated), nodes[position].cache[entry.index] == nil else {
            return
        }
        nodes[position].cache[entry.index] = entry
    }

    private func cached(_ entry: RaftEntry, _ position: Int) -> RaftEntry {
        options.driverFaults.contains(.cacheKeepsTruncated)
            ? nodes[position].cache[entry.index] ?? entry : entry
    }
}
