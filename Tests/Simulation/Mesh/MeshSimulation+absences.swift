import Codec
import Node
import Scheduler

/// Daemons that say that they will be away, go, and come back sooner or later than they said; and upgrades of whole meshes,
/// whose hosts do so one after the other for longer than any link is cut.
extension MeshSimulation {
    /// In one mesh of four. Drawn apart, so that the others are what they are without.
    func addAbsences() {
        var own = SeededGenerator(seed: seed ^ 0x4157_4159)
        guard Int.random(in: 0..<4, using: &own) == 0 else { return }
        for _ in 0..<6 {
            let machine = 1 + Int.random(in: 0..<machines.count, using: &own)
            let at = Int64.random(in: 0...settings.chaos.milliseconds, using: &own)
            let length = Interval.milliseconds(Int64.random(in: 1_000...20_000, using: &own))
            schedule(.goAway(machine, length), in: .milliseconds(at))
        }
    }

    /// In one mesh of three, drawn apart as well: host after host, some of them again and again.
    func addUpgrades() {
        var own = SeededGenerator(seed: seed ^ 0x5550_4752)
        guard Int.random(in: 0..<3, using: &own) == 0 else { return }
        var at = Int64.random(in: 0...5_000, using: &own)
        var machine = Int.random(in: 0..<machines.count, using: &own)
        while at < settings.chaos.milliseconds {
            let length = Interval.milliseconds(Int64.random(in: 5_000...90_000, using: &own))
            schedule(.goAway(machine + 1, length), in: .milliseconds(at))
            at += Int64.random(in: 100...4_000, using: &own)
            if Int.random(in: 0..<4, using: &own) > 0 { machine = (machine + 1) % machines.count }
        }
    }

    func goAway(_ machine: Int, for length: Interval) {
        let host = machines[machine - 1]
        guard host.stalledUntil <= now, let id = host.id, let core = host.daemon?.core, core.state.level >= 5 else {
            return
        }
        let request = RequestID(high: random.next(), low: random.next())
        let absence = Absence(id: random.next(), nanoseconds: length.nanoseconds)
        tell("host \(machine) asks to be away for \(length.milliseconds) ms")
        machines[machine - 1].daemon?.leave = .init(request: request, absence: absence, askedAt: now)
        handle(machine, .propose(Entry(request: request, time: 0, command: .absent(id, absence))))
    }

    /// Answered; now and then it stays after all.
    func mayGo(_ machine: Int, _ answer: Answer) {
        guard let leave = machines[machine - 1].daemon?.leave else { return }
        machines[machine - 1].daemon?.leave = nil
        guard answer == .ok else { return }
        promise(machine, leave)
        guard below(6) > 0 else { return }
        schedule(.gone(machine, boot: machines[machine - 1].boot), in: between(0, 60))
    }

    func gone(_ machine: Int) {
        tell("the daemon of host \(machine) is away")
        crashDaemon(machine)
        let away = below(3) == 0 ? between(5_000, 22_000) : between(10, 5_000)
        schedule(.restart(machine), in: away)
        // The new program does not last, and the one before it is started again.
        if below(4) == 0 { schedule(.killed(machine), in: away + between(1, 2_000)) }
    }

    // MARK: What the mesh has promised

    /// The host knows that the mesh waits for it, and has a lease: so nobody had given it up before.
    private func promise(_ machine: Int, _ leave: SimulatedMachine.Daemon.Leave) {
        let host = machines[machine - 1]
        guard let daemon = host.daemon, let id = host.id, host.clock.local(now) < daemon.lease,
            daemon.core.state.node(id)?.absence?.id == leave.absence.id
        else { return }
        let until = leave.askedAt + Interval(nanoseconds: leave.absence.nanoseconds)
        truth.promised(id, until: until, at: daemon.core.appliedIndex)
    }

    /// Nobody is given up during an absence that it was promised, and has not ended itself.
    func checkPromise(_ id: NodeID, _ machine: Int) {
        guard let core = machines[machine - 1].daemon?.core, let record = core.state.node(id) else { return }
        let isGivenUp: Bool
        if case .lost = record.presence { isGivenUp = true } else { isGivenUp = false }
        guard isGivenUp || record.absence == nil else { return }
        if let broken = truth.noLongerAway(id, isGivenUp: isGivenUp, appliedIndex: core.appliedIndex, now: now) {
            give(broken)
        }
    }
}
