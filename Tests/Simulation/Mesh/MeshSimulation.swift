import Codec
@_spi(Simulation) import Node
import Raft
import Scheduler

/// A whole mesh in one thread and virtual time: real `NodeCore`s on simulated disks, clocks, networks and supervisors.
///
/// Everything random comes from the seed, so a seed is a history. Hosts crash and reboot, daemons crash and adopt what
/// outlived them, daemons stall, links are cut one way or both, entries stand still while heartbeats pass, messages are
/// lost, doubled and late, clocks drift. After every step the rules of `MeshTruth` are looked at; when the faults stop,
/// the mesh must come to rest with every acknowledged job ended.
///
/// Not covered: disks that lose what they had made durable, clocks that jump, hosts whose supervisors do not honour
/// their page.
public final class MeshSimulation {
    public let seed: UInt64
    public let settings: MeshSettings
    /// What broke first, as a sentence.
    public internal(set) var violation: String?
    /// Processes that were started.
    public var startCount: Int { truth.startCount }
    /// Steps taken.
    public private(set) var stepCount = 0

    var random: SeededGenerator
    var now = Instant.zero
    var queue = EventQueue<MeshEvent>()
    var machines: [SimulatedMachine] = []
    var network: SimulatedNetwork
    var truth = MeshTruth()
    var clients: [MeshClient] = []
    /// Reads that are under way: up to where the log had been applied somewhere when each was asked.
    var reads: [UInt64: UInt64] = [:]
    /// Reads that were answered.
    public internal(set) var readCount = 0
    var nextRead: UInt64 = 0
    var isChaos = false
    var hasGangs = false
    /// Average time between two faults, drawn for each seed: some mistakes need a crowd of them, some need peace.
    var faultMilliseconds: Int64 = 2_500
    /// Cuts so far: the last one decides when links are whole again.
    var cutCount = 0
    /// The latest lines of what happened.
    private var story: [String] = []
    static let storyLinesMax = 120
    /// A few wakes in a row may be due at the same instant.
    static let restlessWakesMax = 8
    /// Unix time of virtual time zero.
    static let epoch: Int64 = 1_763_733_600_000_000_000

    /// A known mistake in every node.
    let faults: NodeFaults

    /// Without settings, the seed decides how many hosts there are.
    public init(seed: UInt64, settings: MeshSettings? = nil, bug: MeshBug? = nil) {
        let settings = settings ?? MeshSettings(nodes: 3 + Int(seed % 5))
        self.seed = seed
        faults = bug?.faults ?? []
        self.settings = settings
        random = SeededGenerator(seed: seed)
        network = SimulatedNetwork(nodeCount: settings.nodes, weather: .fair)
        for number in 1...settings.nodes {
            machines.append(
                SimulatedMachine(
                    number: number, clock: SimulatedClock(bootedAt: .zero, start: 0, drift: 0),
                    supervisors: SimulatedSupervisors(freezeLatency: .zero)))
            bootHost(number)
            machines[number - 1].supervisors.reset(freezeLatency: between(0, 100))
        }
    }

    /// Runs the whole history; the answer is what broke, nil if nothing did.
    public func run() -> String? {
        found()
        guard runUntil(limit: .seconds(30), { self.isFounded }) else {
            return violation ?? give("the mesh was not founded")
        }
        startWorkload()
        isChaos = true
        network.weather = .drawn(by: &random)
        faultMilliseconds = [1_500, 2_500, 5_000, 7_000][below(4)]
        schedule(.fault, in: .milliseconds(500))
        let calm = now + settings.chaos
        _ = runUntil(limit: settings.chaos, { self.now >= calm })
        guard violation == nil else { return violation }
        calmDown()
        guard runUntil(limit: settings.rest, { self.isAtRest }) else {
            return violation ?? give("the mesh did not come to rest: \(whatIsLeft())")
        }
        return violation ?? finalContradiction().map(give)
    }

    /// What happened last, for a person.
    public var lastLines: String { story.joined(separator: "\n") }
    /// Keeps every line instead of the last ones.
    public var keepsStory = false

    func tell(_ line: @autoclosure () -> String) {
        story.append("\(now.story) \(line())")
        if !keepsStory, story.count > 2 * Self.storyLinesMax { story.removeFirst(Self.storyLinesMax) }
    }

    @discardableResult
    func give(_ sentence: String) -> String {
        if violation == nil {
            violation = sentence
            tell("BROKEN: \(sentence)")
        }
        return sentence
    }

    func schedule(_ event: MeshEvent, in delay: Interval) { queue.add(event, at: now + delay) }

    func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    func between(_ low: Int64, _ high: Int64) -> Interval {
        .milliseconds(Int64.random(in: low...high, using: &random))
    }
    func microseconds(_ low: Int64, _ high: Int64) -> Interval {
        Interval(nanoseconds: Int64.random(in: low...high, using: &random) * 1_000)
    }

    /// Takes steps until the condition holds; false where the time ran out or a rule broke.
    private func runUntil(limit: Interval, _ condition: () -> Bool) -> Bool {
        let end = now + limit
        while violation == nil {
            if stepCount % 64 == 0, condition() { return true }
            guard let time = queue.nextInstant, time <= end, let event = queue.removeNext() else { return condition() }
            precondition(time >= now, "virtual time never goes back")
            now = time
            stepCount += 1
            step(event)
        }
        return false
    }

    private func step(_ event: MeshEvent) {
        switch event {
        case .deliver(let from, let to, let message):
            guard let sender = machines[from - 1].id else { return }
            input(to, .message(from: sender, message), event)
        case .wake(let machine, let boot):
            guard isCurrent(machine, boot), machines[machine - 1].daemon?.wakesAt ?? .distantFuture <= now else {
                return
            }
            machines[machine - 1].daemon?.wakesAt = .distantFuture
            input(machine, .timer, event)
        case .persisted(let machine, let boot, let token):
            guard isCurrent(machine, boot) else { return }
            machines[machine - 1].disk.complete(upTo: token)
            beginWrite(machine)
            input(machine, .persisted(token), event)
        case .snapshotTaken(let machine, let boot, let plan, let state):
            if isCurrent(machine, boot) { snapshotTaken(plan, state, on: machine, event) }
        case .snapshotPiece(let machine, let boot, let piece):
            if isCurrent(machine, boot) { store(piece, on: machine, event) }
        case .kill(let machine, let hostBoot, let key):
            if machines[machine - 1].hostBoot == hostBoot { kill(key, on: machine) }
        case .prepared(let machine, let boot, let key):
            if isCurrent(machine, boot) { prepared(key, on: machine) }
        case .reported(let machine, let boot, let report):
            if isCurrent(machine, boot) { input(machine, .attempt(report), event) }
        case .unreachable(let machine, let boot, let peer):
            guard isCurrent(machine, boot), let id = machines[peer - 1].id else { return }
            input(machine, .unreachable(id), event)
        case .supervise(let machine, let hostBoot):
            if machines[machine - 1].hostBoot == hostBoot { supervise(machine) }
        case .resume(let machine): resume(machine)
        case .restart(let machine): restart(machine)
        case .client(let index): ask(index)
        case .read: read()
        case .fault: if isChaos { fault() }
        case .heal(let cut): if cut == cutCount { heal() }
        case .flow(let machine): machines[machine - 1].isLogStalled = false
        case .unclog(let machine): unclog(machine)
        case .killed(let machine): if isChaos { kill(machine) }
        case .owner(let machine, let isThere): owner(machine, isThere: isThere && isChaos)
        case .announce(let machine): announce(machine)
        case .goAway(let machine, let length): goAway(machine, for: length)
        case .gone(let machine, let boot): if isCurrent(machine, boot) { gone(machine) }
        }
    }

    func isCurrent(_ machine: Int, _ boot: UInt64) -> Bool { machines[machine - 1].boot == boot }
}
