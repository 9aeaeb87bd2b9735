import Codec
@_spi(Simulation) import Raft

/// A mesh of `RaftCore`s with its network, disks and clients in one thread and in virtual time, driven by one seed.
///
/// First a storm, in which everything in `RaftScenario` goes wrong, then a calm, in which the mesh must find together
/// again. All rules are checked as things happen; the first broken one ends the run.
public final class RaftSimulation {
    enum Event {
        case deliver(from: Int, to: Int, RaftMessage)
        case written(Int, life: Int, token: UInt64)
        case restart(Int)
        case snapshot(Int, life: Int)
        case act
        case propose
        case read
        case calm
    }

    struct Node {
        let id: NodeID
        /// Nil while it is down.
        var core: RaftCore?
        var disk: SimulatedDisk
        var machine = RaftStateMachine()
        /// Counts restarts, so that what was meant for an earlier life does not reach a later one.
        var life = 0
        var pausedUntil = Instant.zero
    }

    let seed: UInt64
    let options: RaftSimulationOptions
    let scenario: RaftScenario
    var generator: SeededGenerator
    var now = Instant.zero
    var events = EventQueue<Event>()
    var network: SimulatedNetwork
    var nodes: [Node] = []
    var checker = RaftChecker()
    var outcome: RaftSimulationOutcome
    var isCalm = false
    var nextRequest: UInt64 = 0
    /// Committed when the calm began; more must follow.
    private var committedBeforeCalm: UInt64 = 0

    /// More steps than any run needs: beyond it something goes round in circles.
    private static let stepLimit = 2_000_000

    public init(seed: UInt64, options: RaftSimulationOptions = RaftSimulationOptions()) {
        self.seed = seed
        self.options = options
        generator = SeededGenerator(seed: seed)
        scenario = RaftScenario.drawn(by: &generator, faults: options.faults)
        network = SimulatedNetwork(nodeCount: scenario.nodeCount, weather: scenario.weather)
        outcome = RaftSimulationOutcome(seed: seed, violation: nil, digest: TraceDigest(), story: [])
        let voters = (1...scenario.founders).map { NodeID(UInt64($0)) }
        for number in 1...scenario.nodeCount {
            let id = NodeID(UInt64(number))
            var content = RaftRestored.joining()
            if scenario.founders == 1, number == 1 {
                content = .founding(id: id)
            } else if number <= scenario.founders {
                content.hardState = RaftHardState(term: 1, commitIndex: 1)
                content.entries = [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))]
            }
            nodes.append(Node(id: id, core: nil, disk: SimulatedDisk(content)))
        }
        for position in nodes.indices { start(position) }
        events.add(.act, at: .zero + .milliseconds(scenario.actMilliseconds))
        events.add(.propose, at: .zero)
        events.add(.read, at: .zero)
        events.add(.calm, at: .zero + .milliseconds(options.stormMilliseconds))
    }

    /// Runs to the end or to the first broken rule.
    public func run() -> RaftSimulationOutcome {
        do throws(Violation) {
            while try step() {}
        } catch {
            tell("BROKEN: \(error.rule): \(error.detail)")
            outcome.violation = error
        }
        outcome.committed = checker.committedIndex
        return outcome
    }

    // MARK: Time

    /// Does what is next; false at the end.
    private func step() throws(Violation) -> Bool {
        outcome.steps += 1
        guard outcome.steps < Self.stepLimit else {
            throw checker.fail("time passes", "\(Self.stepLimit) steps and no end")
        }
        let timer = nextTimer()
        if let timer, timer.instant <= events.nextInstant ?? .distantFuture {
            advance(to: timer.instant)
            try handle(timer.position, [.timer])
        } else if let instant = events.nextInstant, let event = events.removeNext() {
            advance(to: instant)
            try happen(event)
        }
        guard isCalm else { return true }
        if isWell { return false }
        let limit = Instant.zero + .milliseconds(options.stormMilliseconds + options.calmMilliseconds)
        guard now < limit else {
            throw checker.fail("a mesh finds together again when the storm is over", describeNodes())
        }
        return true
    }

    private func advance(to instant: Instant) {
        now = max(now, instant)
        checker.step(at: now)
    }

    private func nextTimer() -> (instant: Instant, position: Int)? {
        var best: (instant: Instant, position: Int)?
        for position in nodes.indices {
            guard let deadline = nodes[position].core?.nextDeadline else { continue }
            let instant = max(deadline, nodes[position].pausedUntil)
            if instant < best?.instant ?? .distantFuture { best = (instant, position) }
        }
        return best
    }

    private func happen(_ event: Event) throws(Violation) {
        switch event {
        case .deliver(let from, let to, let message):
            try deliver(message, from: from, to: to)
        case .written(let position, let life, let token):
            guard nodes[position].life == life else { return }
            nodes[position].disk.complete(upTo: token)
            startWriting(position)
            guard !postponed(event, for: position) else { return }
            try handle(position, [.persisted(upTo: token)])
        case .restart(let position):
            if nodes[position].core == nil { try restart(position) }
        case .snapshot(let position, let life):
            guard nodes[position].life == life, let core = nodes[position].core else { return }
            let state = nodes[position].machine.encoded(padding: scenario.padding)
            try handle(position, [.snapshotTaken(index: core.appliedIndex, data: state)])
        case .act: try act()
        case .propose: try propose()
        case .read: try read()
        case .calm: try calm()
        }
    }

    /// A node that is paused gets things when it goes on.
    private func postponed(_ event: Event, for position: Int) -> Bool {
        guard nodes[position].pausedUntil > now else { return false }
        events.add(event, at: nodes[position].pausedUntil)
        return true
    }

    private func deliver(_ message: RaftMessage, from: Int, to: Int) throws(Violation) {
        let event = Event.deliver(from: from, to: to, message)
        guard nodes[to].core != nil, !postponed(event, for: to) else { return }
        var inputs = [RaftInput.received(from: nodes[from].id, message)]
        // What is right behind it is part of the same turn.
        let end = now + Interval(nanoseconds: scenario.turnMicroseconds * 1_000)
        while scenario.turnMicroseconds > 0, events.nextInstant ?? .distantFuture <= end,
            case .deliver(let sender, to, let next)? = events.next
        {
            _ = events.removeNext()
            inputs.append(.received(from: nodes[sender].id, next))
        }
        try handle(to, inputs)
    }

    // MARK: Nodes

    func start(_ position: Int) {
        let node = nodes[position]
        nodes[position].machine =
            node.disk.durable.snapshot.map { RaftStateMachine(encoded: $0.data) } ?? RaftStateMachine()
        nodes[position].core = RaftCore(
            id: node.id, restored: node.disk.durable, configuration: scenario.configuration, seed: generator.next(),
            now: now)
    }

    private func restart(_ position: Int) throws(Violation) {
        start(position)
        guard let core = nodes[position].core else { return }
        tell("\(core.id) starts in term \(core.term) with a log through \(core.lastIndex)")
        try checker.restarted(core)
    }

    /// Gives a node one turn and does what it asks for.
    func handle(_ position: Int, _ inputs: [RaftInput]) throws(Violation) {
        guard nodes[position].core != nil else { return }
        let committedBefore = nodes[position].core!.commitIndex
        var effects: [RaftEffect] = []
        nodes[position].core!.handle(inputs, at: now, into: &effects)
        guard let core = nodes[position].core else { return }
        outcome.digest.add(now.nanoseconds)
        outcome.digest.add(core.term &* 31 &+ core.commitIndex &* 7 &+ core.lastIndex &+ UInt64(position))
        for effect in effects { try perform(effect, of: position, core) }
        if let broken = core.brokenInvariant() {
            throw checker.fail("a node is in order by itself", "\(core.id): \(broken)")
        }
        guard core.role == .leader else { return }
        let others = nodes.compactMap(\.core)
        let disks = Dictionary(uniqueKeysWithValues: nodes.map { ($0.id, $0.disk) })
        try checker.believed(by: core, others: others, disks: disks)
        if core.commitIndex > committedBefore {
            try checker.committedByLeader(core, others: others, disks: disks)
        }
    }

    private func perform(_ effect: RaftEffect, of position: Int, _ core: RaftCore) throws(Violation) {
        switch effect {
        case .persist(let persist):
            try check(persist, core)
            begin(persist, position)
        case .send(let peer, let message): try send(message, from: position, core, to: peer)
        case .apply(let entries):
            for entry in entries {
                nodes[position].machine.apply(entry)
                try checker.applied(entry, by: core, state: nodes[position].machine)
            }
        case .restore(let snapshot):
            outcome.snapshotsInstalled += 1
            nodes[position].machine = RaftStateMachine(encoded: snapshot.data)
            try checker.restored(snapshot, by: core, state: nodes[position].machine)
            tell("\(core.id) restores the snapshot of \(snapshot.index)")
        case .proposed: break
        case .rejected(let request, _): try checker.wasRefused(request)
        case .readReady(let request, let index):
            outcome.reads += 1
            try checker.read(request, sees: index, at: core)
        case .roleChanged(let role, let term, let leader):
            tell("\(core.id) is \(role) in term \(term)" + (leader.map { ", led by \($0)" } ?? ""))
            guard role == .leader else { return }
            outcome.elections += 1
            try checker.becameLeader(core)
        case .membershipChanged(let membership):
            outcome.membershipChanges += 1
            tell("\(core.id) counts \(describe(membership))")
        case .snapshotWanted:
            let when = now + .milliseconds(generator.pick(1...Int64(50)))
            events.add(.snapshot(position, life: nodes[position].life), at: when)
        case .stop(let error): throw checker.fail("no node stops", "\(core.id): \(error.message)")
        }
    }

    private func check(_ persist: RaftPersist, _ core: RaftCore) throws(Violation) {
        guard let first = persist.entries.first else { return }
        var previousTerm = core.logTerm(at: first.index - 1)
        for entry in persist.entries {
            if let previousTerm { try checker.wrote(entry, after: previousTerm, on: core.id) }
            previousTerm = entry.term
        }
    }

    private func begin(_ persist: RaftPersist, _ position: Int) {
        nodes[position].disk.add(persist)
        startWriting(position)
    }

    /// Lets an idle disk begin with what waits.
    private func startWriting(_ position: Int) {
        guard let token = nodes[position].disk.begin() else { return }
        let time = Interval(nanoseconds: generator.pick(scenario.diskMicroseconds) * 1_000)
        let end = max(nodes[position].disk.busyUntil, now + time)
        events.add(.written(position, life: nodes[position].life, token: token), at: end)
    }

    private func send(_ message: RaftMessage, from position: Int, _ core: RaftCore, to peer: NodeID) throws(Violation) {
        try checker.sent(message, by: core, to: peer, disk: nodes[position].disk)
        let target = Int(peer.rawValue) - 1
        for arrival in network.arrivals(from: position, to: target, at: now, &generator) {
            events.add(.deliver(from: position, to: target, message), at: arrival)
        }
    }

    // MARK: The calm

    private func calm() throws(Violation) {
        isCalm = true
        tell("the storm is over")
        network.heal()
        network.weather = .fair
        committedBeforeCalm = checker.committedIndex
        for position in nodes.indices {
            nodes[position].pausedUntil = now
            if nodes[position].core == nil { try restart(position) }
        }
    }

    /// One leader that all members follow, the same log everywhere, and new commands decided.
    private var isWell: Bool {
        let cores = nodes.compactMap(\.core)
        guard let leader = cores.first(where: { $0.role == .leader && $0.isReadyLeader }),
            !leader.isChangingMembership, checker.committedIndex > committedBeforeCalm + 3,
            cores.allSatisfy({ $0.id == leader.id || $0.role != .leader })
        else { return false }
        return leader.membership.members.allSatisfy { member in
            guard let core = cores.first(where: { $0.id == member }) else { return false }
            return core.term == leader.term && core.leader == leader.id && core.commitIndex == leader.commitIndex
                && core.lastIndex == leader.lastIndex && core.membership == leader.membership && !core.isDamaged
        }
    }
}
