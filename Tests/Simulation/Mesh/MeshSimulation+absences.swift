import Codec
import Node
import Scheduler

/// Daemons that say that they will be away, go, and come back sooner or later than they said.
extension MeshSimulation {
    /// In one mesh of four. Drawn apart, so that the others are what they are without.
    func addAbsences() {
        var own = SeededGenerator(seed: seed ^ 0x4157_4159)
        guard Int.random(in: 0..<4, using: &own) == 0 else { return }
        for _ in 0..<6 {
            let machine = 1 + Int.random(in: 0..<machines.count, using: &own)
            let at = Int64.random(in: 0...settings.chaos.milliseconds, using: &own)
            schedule(.goAway(machine), in: .milliseconds(at))
        }
    }

    func goAway(_ machine: Int) {
        let host = machines[machine - 1]
        guard host.stalledUntil <= now, let id = host.id, let core = host.daemon?.core, core.state.level >= 5 else {
            return
        }
        let request = RequestID(high: random.next(), low: random.next())
        let absence = Absence(id: random.next(), nanoseconds: between(1_000, 20_000).nanoseconds)
        tell("host \(machine) asks to be away for \(absence.nanoseconds / 1_000_000) ms")
        machines[machine - 1].daemon?.absenceRequest = request
        handle(machine, .propose(Entry(request: request, time: 0, command: .absent(id, absence))))
    }

    /// Answered; now and then it stays after all.
    func mayGo(_ machine: Int, _ answer: Answer) {
        machines[machine - 1].daemon?.absenceRequest = nil
        guard answer == .ok, below(6) > 0 else { return }
        schedule(.gone(machine, boot: machines[machine - 1].boot), in: between(0, 60))
    }

    func gone(_ machine: Int) {
        tell("the daemon of host \(machine) is away")
        crashDaemon(machine)
        schedule(.restart(machine), in: below(3) == 0 ? between(5_000, 22_000) : between(10, 5_000))
    }
}
