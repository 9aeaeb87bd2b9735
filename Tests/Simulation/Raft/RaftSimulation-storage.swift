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
        guard let snapshot = disks[position].durable.snapshot, snapshot.index > kept.appliedIndex,
            let content = disks[position].snapshotContent
        else { return kept }
        return RaftStateMachine(
            encoded: content, keys: scenario.keyCount, clients: scenario.clientCount)
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

    /// Writes the state as it is now to a file, which takes a while.
    func takeSnapshot(_ plan: RaftSnapshotPlan, _ position: Int) {
        var content: [UInt8]?
        // After a restart the stored state may be ahead of what the core has handed out again.
        if nodes[position].machine.appliedIndex <= plan.index {
            let isBare = options.driverFaults.contains(.snapshotWithoutSessions)
            content = nodes[position].machine.encoded(padding: scenario.padding, withSessions: !isBare)
        }
        let when = now + .milliseconds(generator.pick(1...Int64(50)))
        events.add(.snapshotTaken(position, life: nodes[position].life, plan, content: content), at: when)
    }

    func snapshotTaken(_ plan: RaftSnapshotPlan, _ content: [UInt8]?, _ position: Int) throws(Violation) {
        guard let content else { return try handle(position, [.snapshotFailed]) }
        let snapshot = RaftSnapshot(plan, content: content, pieceBytes: scenario.configuration.snapshotPieceBytes)
        disks[position].snapshots.add(snapshot, content)
        try handle(position, [.snapshotTaken(snapshot)])
    }

    /// Pieces are stored one after the other, as on the thread of a log.
    func storeSoon(_ piece: RaftSnapshotPiece, _ position: Int) {
        let time = Interval(nanoseconds: generator.pick(scenario.diskMicroseconds) * 1_000)
        nodes[position].piecesUntil = max(nodes[position].piecesUntil, now) + time
        events.add(
            .snapshotPiece(position, life: nodes[position].life, piece), at: nodes[position].piecesUntil)
    }

    func store(_ piece: RaftSnapshotPiece, _ position: Int) throws(Violation) {
        let snapshot = piece.snapshot
        switch disks[position].snapshots.store(piece, pieceBytes: scenario.configuration.snapshotPieceBytes) {
        case .partly(let nextOffset): try handle(position, [.snapshotStored(snapshot, nextOffset: nextOffset)])
        case .whole: try handle(position, [.snapshotArrived(snapshot)])
        }
    }

    func restore(_ snapshot: RaftSnapshot, on position: Int, _ core: RaftCore) throws(Violation) {
        outcome.snapshotsInstalled += 1
        nodes[position].cache.removeAll()
        guard let content = disks[position].snapshots.content(of: snapshot) else {
            throw checker.fail("a snapshot that is restored has a file", "\(core.id): \(snapshot.index)")
        }
        nodes[position].machine = RaftStateMachine(
            encoded: content, keys: scenario.keyCount, clients: scenario.clientCount)
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
