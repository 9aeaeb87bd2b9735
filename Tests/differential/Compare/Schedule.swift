import Codec
import Simulation

/// One random schedule, given to a mesh of ours and to one of etcd's nodes step by step, or to one in which a node is
/// etcd's. After every step both meshes settle and are compared.
final class Schedule {
    struct Outcome {
        var steps = 0
        var calms = 0
        var differences: [Difference] = []
        var story: [String] = []
        var counts: [String: Int] = [:]
    }

    let ours: Mesh
    let theirs: Mesh
    /// The second mesh has nodes of both kinds, which do without memberships, snapshots and reads.
    let isMixed: Bool
    private let newMachines: (NodeID, [NodeID]) throws(ComparisonError) -> (any Machine, any Machine)
    var generator: SeededGenerator
    var outcome = Outcome()
    /// The nodes of our mesh as they are now.
    var facts: [Facts] = []
    /// Terms whose leader has seen an election timeout pass.
    var checkedTerms: [UInt64] = []
    /// Nodes that were started since the last calm.
    var restarted: [NodeID] = []
    private var nextCommand = 0
    private var nextRead: UInt64 = 0

    /// Members of all times have numbers up to this one.
    static let highestNumber: UInt64 = 7

    init(
        seed: UInt64, isMixed: Bool,
        newMachines: @escaping (NodeID, [NodeID]) throws(ComparisonError) -> (any Machine, any Machine)
    ) throws(ComparisonError) {
        generator = SeededGenerator(seed: seed)
        self.isMixed = isMixed
        self.newMachines = newMachines
        let voters = (1...generator.pick(3...5)).map { NodeID(UInt64($0)) }
        ours = Mesh([])
        theirs = Mesh([])
        for id in voters { try start(id, voters: voters) }
        facts = try ours.facts()
    }

    /// Runs `steps` steps, or to the first difference.
    func run(steps: Int) throws(ComparisonError) -> Outcome {
        try calm()
        var untilCalm = generator.pick(3...12)
        while outcome.steps < steps, outcome.differences.isEmpty {
            outcome.steps += 1
            try step()
            try compare(isCalm: false)
            untilCalm -= 1
            guard untilCalm == 0, outcome.differences.isEmpty else { continue }
            try calm()
            untilCalm = generator.pick(3...12)
        }
        if outcome.differences.isEmpty { try calm() }
        return outcome
    }

    // MARK: What every step is made of

    func tell(_ line: String) { outcome.story.append("\(outcome.steps): \(line)") }

    func count(_ what: String) { outcome.counts[what, default: 0] += 1 }

    /// Does the same to the same node of both meshes; false where it was refused.
    @discardableResult
    func both(_ act: Act, _ id: NodeID) throws(ComparisonError) -> Bool {
        tell("\(id) \(act)")
        let our = try ours.perform(act, on: id)
        let their = try theirs.perform(act, on: id)
        if our != their {
            outcome.differences.append(
                Difference(node: id, what: "\(act) accepted", ours: "\(our)", theirs: "\(their)"))
        }
        return our
    }

    func settle() throws(ComparisonError) {
        try ours.settle()
        try theirs.settle()
        facts = try ours.facts()
    }

    func start(_ id: NodeID, voters: [NodeID]) throws(ComparisonError) {
        let (our, their) = try newMachines(id, voters)
        ours.add(our)
        theirs.add(their)
    }

    func stop(_ id: NodeID) {
        ours.remove(id)
        theirs.remove(id)
    }

    func setCut(_ links: Set<Mesh.Link>) {
        ours.cut = links
        theirs.cut = links
    }

    func compare(isCalm: Bool) throws(ComparisonError) {
        let others = try theirs.facts()
        outcome.differences += Difference.between(facts, others, isCalm: isCalm, isMixed: isMixed)
        guard !outcome.differences.isEmpty else { return }
        for (our, their) in zip(facts, others) { tell("ours \(our.brief) | etcd \(their.brief)") }
    }

    func fact(_ id: NodeID) -> Facts? { facts.first { $0.id == id } }
    var leaders: [Facts] { facts.filter { $0.role == "leader" } }
    /// The leader of the latest term.
    var leader: Facts? { leaders.max { $0.term < $1.term } }

    func command() -> String {
        nextCommand += 1
        return "\(nextCommand)"
    }

    func readNumber() -> UInt64 {
        nextRead += 1
        return nextRead
    }
}
