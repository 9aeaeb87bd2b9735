import Codec
import Node
import Scheduler

/// Owners who come back to their hosts and leave again.
extension MeshSimulation {
    /// In one mesh of three, so that the others show what happens without.
    func addOwners() {
        guard below(3) == 0 else { return }
        for _ in 0..<2 {
            let machine = 1 + below(machines.count)
            let at = between(0, settings.chaos.milliseconds)
            schedule(.owner(machine, isThere: true), in: at)
            schedule(.owner(machine, isThere: false), in: at + between(50, 8_000))
        }
    }

    func owner(_ machine: Int, isThere: Bool) {
        guard machines[machine - 1].isClosed != isThere else { return }
        machines[machine - 1].isClosed = isThere
        tell("the owner of host \(machine) \(isThere ? "is back" : "is away")")
        schedule(.announce(machine), in: .zero)
    }

    /// The daemon knows it, and says it until the mesh does.
    func announce(_ machine: Int) {
        let host = machines[machine - 1]
        guard host.isUp, host.stalledUntil <= now, let id = host.id, let core = host.daemon?.core else {
            return schedule(.announce(machine), in: between(100, 900))
        }
        handle(machine, .closed(host.isClosed))
        guard let record = core.state.node(id), record.capacity.closed != (host.isClosed ? "its owner is there" : nil)
        else { return }
        var capacity = record.capacity
        capacity.closed = host.isClosed ? "its owner is there" : nil
        let request = RequestID(high: random.next(), low: random.next())
        let command = Command.updateNode(id, addresses: record.addresses, capacity: capacity, version: record.version)
        handle(machine, .propose(Entry(request: request, time: 0, command: command)))
        schedule(.announce(machine), in: between(500, 1_500))
    }
}
