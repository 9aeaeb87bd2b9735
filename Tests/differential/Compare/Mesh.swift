import Codec

/// A mesh of machines and the network between them. Messages travel in rounds: all that were sent in one round arrive in
/// the next, ordered by receiver and then by sender, so that two meshes of different kinds see the same order.
final class Mesh {
    struct Link: Hashable, Comparable {
        var from: NodeID
        var to: NodeID

        static func < (left: Link, right: Link) -> Bool { (left.from, left.to) < (right.from, right.to) }
    }

    /// Sorted by number.
    private(set) var machines: [any Machine]
    /// Links on which everything is lost.
    var cut: Set<Link> = []
    private var queue: [Envelope] = []
    private(set) var deliveries = 0

    /// More rounds than any settled mesh needs.
    private static let roundLimit = 500

    init(_ machines: [any Machine]) { self.machines = machines }

    var ids: [NodeID] { machines.map(\.id) }

    func add(_ machine: any Machine) {
        machines.append(machine)
        machines.sort { $0.id < $1.id }
    }

    func remove(_ id: NodeID) {
        machines.removeAll { $0.id == id }
        queue.removeAll { $0.to == id || $0.from == id }
    }

    func machine(_ id: NodeID) -> (any Machine)? { machines.first { $0.id == id } }

    /// Does one thing to a node without waiting for what comes of it; false where it refused.
    func perform(_ act: Act, on id: NodeID) throws(ComparisonError) -> Bool {
        guard let machine = machine(id) else { return false }
        let (isAccepted, messages) = try machine.perform(act)
        queue += messages
        return isAccepted
    }

    /// Delivers until nothing is on its way any more.
    func settle() throws(ComparisonError) {
        var rounds = 0
        while !queue.isEmpty {
            rounds += 1
            guard rounds < Self.roundLimit else { throw .refused("settle", "messages go round in circles") }
            let round = queue.enumerated().sorted {
                ($0.element.to, $0.element.from, $0.offset) < ($1.element.to, $1.element.from, $1.offset)
            }
            queue = []
            for (_, envelope) in round { try deliver(envelope) }
        }
    }

    private func deliver(_ envelope: Envelope) throws(ComparisonError) {
        let link = Link(from: envelope.from, to: envelope.to)
        guard let receiver = machine(envelope.to), !cut.contains(link) else {
            queue += try machine(envelope.from)?.told(of: envelope, arrived: false) ?? []
            return
        }
        deliveries += 1
        queue += try receiver.receive(envelope)
        queue += try machine(envelope.from)?.told(of: envelope, arrived: true) ?? []
    }

    func facts() throws(ComparisonError) -> [Facts] {
        var all: [Facts] = []
        for machine in machines { all.append(try machine.facts()) }
        return all
    }
}
