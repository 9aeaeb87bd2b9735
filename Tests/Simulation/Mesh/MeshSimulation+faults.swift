import Codec

/// What goes wrong while faults happen.
extension MeshSimulation {
    private var leader: Int? {
        machines.filter { $0.daemon?.core.raft.role == .leader }
            .max { ($0.daemon?.core.raft.term ?? 0) < ($1.daemon?.core.raft.term ?? 0) }?.number
    }

    func fault() {
        schedule(.fault, in: between(faultMilliseconds / 5, faultMilliseconds * 9 / 5))
        let anyone = 1 + below(machines.count)
        switch below(13) {
        case 0: power(anyone)
        case 1: kill(anyone)
        case 2: kill(leader ?? anyone)
        case 3: power(leader ?? anyone)
        case 4, 5, 6: cutLinks()
        case 7: isolate(leader ?? anyone)
        case 8: stall(anyone)
        case 9: stallLog(anyone)
        case 10: stallLog(leader ?? anyone)
        case 11: clog(anyone)
        default: stall(leader ?? anyone)
        }
    }

    private func power(_ machine: Int) {
        guard machines[machine - 1].isUp else { return }
        tell("host \(machine) loses power")
        crashHost(machine)
        bootHost(machine)
        // Now and then long enough for its seat to be given to another.
        schedule(
            .restart(machine), in: machines.count > 3 && below(4) == 0 ? between(9_000, 20_000) : between(100, 9_000))
    }

    func kill(_ machine: Int) {
        guard machines[machine - 1].isUp else { return }
        tell("the daemon of host \(machine) is killed")
        crashDaemon(machine)
        schedule(.restart(machine), in: below(3) == 0 ? between(3_000, 9_000) : between(10, 1_000))
    }

    private func cutLinks() {
        tell("the network \(network.breakApart(&random))")
        healLater()
    }

    private func healLater() {
        cutCount += 1
        schedule(.heal(cut: cutCount), in: between(300, 9_000))
    }

    private func isolate(_ machine: Int) {
        tell("host \(machine) is cut off")
        network.isolate(machine - 1)
        healLater()
    }

    /// The network is whole again, but for one host the log may take longer to flow.
    func heal() {
        tell("the network is whole again")
        network.heal()
        if isChaos, below(2) == 0 { stallLog(1 + below(machines.count)) }
    }

    private func stallLog(_ machine: Int) {
        tell("no entries pass to or from host \(machine)")
        machines[machine - 1].isLogStalled = true
        schedule(.flow(machine), in: between(300, 6_000))
    }

    private func clog(_ machine: Int) {
        let delay = between(300, 2_500)
        tell("what is sent to host \(machine) takes \(delay.milliseconds) ms longer")
        machines[machine - 1].inboundDelay = delay
        schedule(.unclog(machine), in: between(1_000, 6_000))
    }

    /// As often as not a link that was slow is broken next.
    func unclog(_ machine: Int) {
        machines[machine - 1].inboundDelay = .zero
        if isChaos, below(2) == 0 { isolate(machine) }
    }

    private func stall(_ machine: Int) {
        guard machines[machine - 1].isUp, machines[machine - 1].stalledUntil <= now else { return }
        let length = between(200, 7_000)
        tell("the daemon of host \(machine) stands still for \(length.milliseconds) ms")
        machines[machine - 1].stalledUntil = now + length
        schedule(.resume(machine), in: length)
        // What had piled up is worked off, and then the daemon dies.
        if below(3) == 0 { schedule(.killed(machine), in: length + between(1, 200)) }
    }
}
