import Codec
@_spi(Simulation) import Raft

/// A mesh of `RaftCore`s with its network, disks, clocks and clients in one thread and in virtual time, driven by one seed.
///
/// First a storm, in which everything in `RaftScenario` goes wrong, then a calm, in which the mesh must find together
/// again (`RaftSimulation-calm`). All rules are checked as things happen; the first broken one ends the run.
public final class RaftSimulation {
    enum Event {
        case deliver(from: Int, to: Int, RaftMessage)
        case written(Int, life: Int, token: UInt64)
        /// One write is done, where the disk finishes them in any order.
        case finished(Int, life: Int, token: UInt64)
        /// Only for `confirmsBeforeDurable`.
        case confirmed(Int, life: Int, token: UInt64)
        case restart(Int)
        /// No content: it could not be taken.
        case snapshotTaken(Int, life: Int, RaftSnapshotPlan, content: [UInt8]?)
        case snapshotPiece(Int, life: Int, RaftSnapshotPiece)
        /// The state machine is stored beside the log.
        case keep(Int, life: Int)
        case act
        /// An operator asks again.
        case operate
        /// Something is proposed, or read, that no client waits for.
        case push
        case poll
        case client(Int)
        case request(SimulatedCommand, attempt: UInt64, at: Int)
        case reply(client: Int, serial: UInt64, SimulatedReply)
        case refusal(client: Int, attempt: UInt64, leader: Int?)
        case patience(client: Int, attempt: UInt64)
        case calm
        case flap
    }

    /// The membership that an operator wants.
    struct Goal {
        var voters: [NodeID]
        var learners: [NodeID]
        var until: Instant
    }

    /// Whom a node will answer.
    struct Asker {
        var client: Int
        var serial: UInt64
        var attempt: UInt64
        var key: Int
    }

    struct Node {
        let id: NodeID
        /// Nil while it is down.
        var core: RaftCore?
        var machine: RaftStateMachine
        /// The state machine as it was last stored; its applied index with it, in one transaction.
        var kept: RaftStateMachine
        /// Runs at its own speed, and starts anew with each life.
        var clock = SimulatedClock(bootedAt: .zero, start: 0, drift: 0)
        /// Counts restarts, so that what was meant for an earlier life does not reach a later one.
        var life = 0
        var pausedUntil = Instant.zero
        /// When the last piece of a snapshot that has come in is in its file.
        var piecesUntil = Instant.zero
        var waiting: [UInt64: Asker] = [:]
        /// Only for `cacheKeepsTruncated`.
        var cache: [UInt64: RaftEntry] = [:]
    }

    let seed: UInt64
    let options: RaftSimulationOptions
    let scenario: RaftScenario
    var generator: SeededGenerator
    var now = Instant.zero
    var events = EventQueue<Event>()
    var network: SimulatedNetwork
    var nodes: [Node] = []
    var disks: [SimulatedDisk] = []
    /// When each node's timer is due, in true time.
    private var dues: [Instant] = []
    var clients: [SimulatedClient] = []
    /// What proposal `n` asks for is at `n - 1`.
    var commands: [SimulatedCommand] = []
    var history = ClientHistory()
    var oracle: ClientOracle
    var checker: RaftChecker
    var outcome: RaftSimulationOutcome
    var goals: [Goal] = []
    var phase = Phase.storm
    /// When the calm was last looked at.
    var lookedAt = Instant.zero
    /// Committed when the calm began; more must follow.
    var committedBeforeCalm: UInt64 = 0
    var answersInCalm = 0
    /// Numbers of reads and changes; apart from those of proposals.
    private var requests: UInt64 = 1 << 62

    /// More steps than any run needs: beyond it something goes round in circles.
    private static let stepLimit = 2_000_000

    public init(seed: UInt64, options: RaftSimulationOptions = RaftSimulationOptions()) {
        self.seed = seed
        self.options = options
        generator = SeededGenerator(seed: seed)
        var scenario = RaftScenario.drawn(by: &generator, faults: options.faults)
        if options.staysWithinSpecification { scenario.limitToSpecification() }
        self.scenario = scenario
        network = SimulatedNetwork(nodeCount: scenario.nodeCount, weather: scenario.weather)
        outcome = RaftSimulationOutcome(seed: seed, violation: nil, digest: TraceDigest(), story: [])
        checker = RaftChecker(nodeCount: scenario.nodeCount)
        oracle = ClientOracle(clients: scenario.clientCount, keys: scenario.keyCount)
        found()
        for client in 0..<scenario.clientCount {
            clients.append(SimulatedClient(keys: scenario.keyCount))
            events.add(.client(client), at: .zero + .milliseconds(generator.pick(0...500)))
        }
        events.add(.act, at: .zero + .milliseconds(scenario.actMilliseconds))
        events.add(.push, at: .zero)
        events.add(.poll, at: .zero)
        events.add(.calm, at: .zero + .milliseconds(options.stormMilliseconds))
        for position in nodes.indices { start(position) }
    }

    /// Puts the first membership on the disks of the founders.
    private func found() {
        let ids = (1...scenario.nodeCount).map { NodeID(UInt64($0)) }
        let voters = Array(ids.prefix(scenario.founders))
        let learners = scenario.hasLearners ? Array(ids.dropFirst(scenario.founders)) : []
        let first = RaftEntry(
            index: 1, term: 1, payload: .membership(RaftMembership(voters: voters, learners: learners)))
        let machine = RaftStateMachine(keys: scenario.keyCount, clients: scenario.clientCount)
        for (position, id) in ids.enumerated() {
            var content = RaftRestored.joining()
            if scenario.founders == 1, position == 0, learners.isEmpty {
                content = .founding(id: id)
            } else if position < scenario.founders {
                content.hardState = RaftHardState(term: 1, commitIndex: 1)
                content.entries = [first]
            }
            nodes.append(Node(id: id, core: nil, machine: machine, kept: machine))
            disks.append(SimulatedDisk(content, pieceBytes: scenario.configuration.snapshotPieceBytes))
            dues.append(.distantFuture)
        }
    }

    /// Runs to the end or to the first broken rule.
    public func run() -> RaftSimulationOutcome {
        do throws(Violation) {
            while try step() {}
            try judgeHistory()
        } catch {
            tell("BROKEN: \(error.rule): \(error.detail)")
            outcome.violation = error
        }
        outcome.committed = checker.committedIndex
        outcome.operations = history.operations.count
        return outcome
    }

    func nextRequest() -> UInt64 {
        requests += 1
        return requests
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
        if isStormy { return true }
        return try goOnCalming()
    }

    private func advance(to instant: Instant) {
        now = max(now, instant)
        checker.step(at: now)
    }

    private func nextTimer() -> (instant: Instant, position: Int)? {
        var best: (instant: Instant, position: Int)?
        for position in dues.indices where dues[position] < best?.instant ?? .distantFuture {
            let instant = max(dues[position], nodes[position].pausedUntil)
            if instant < best?.instant ?? .distantFuture { best = (instant, position) }
        }
        return best
    }

    /// Looks at a core's next deadline, which only a turn can have moved.
    func noteDeadline(of position: Int) {
        guard let deadline = nodes[position].core?.nextDeadline, deadline != .distantFuture else {
            dues[position] = .distantFuture
            return
        }
        dues[position] = nodes[position].clock.trueTime(of: deadline, now: now)
    }

    private func happen(_ event: Event) throws(Violation) {
        switch event {
        case .deliver(let from, let to, let message): try deliver(message, from: from, to: to)
        case .written(let position, let life, let token): try written(position, life, token, event)
        case .finished(let position, let life, let token): try finished(position, life, token, event)
        case .confirmed(let position, let life, let token):
            guard nodes[position].life == life, !postponed(event, for: position) else { return }
            try handle(position, [.persisted(scenario.finishesInAnyOrder ? token...token : 0...token)])
        case .restart(let position): if nodes[position].core == nil { try restart(position) }
        case .snapshotTaken(let position, let life, let plan, let content):
            guard nodes[position].life == life, !postponed(event, for: position) else { return }
            try snapshotTaken(plan, content, position)
        case .snapshotPiece(let position, let life, let piece):
            guard nodes[position].life == life, !postponed(event, for: position) else { return }
            try store(piece, position)
        case .keep(let position, let life): keep(position, life)
        case .act: try act()
        case .operate: try operate()
        case .push: try push()
        case .poll: try poll()
        case .client(let client): begin(client)
        case .request(let command, let attempt, let position):
            guard nodes[position].core != nil, !postponed(event, for: position) else { return }
            try serve(command, attempt: attempt, at: position)
        case .reply(let client, let serial, let reply): try replied(reply, to: client, serial)
        case .refusal(let client, let attempt, let leader): refused(client, attempt, leader: leader)
        case .patience(let client, let attempt): lostPatience(client, attempt)
        case .calm: try calm()
        case .flap: flap()
        }
    }

    private func keepTrace(of position: Int) {
        guard options.keepsTrace, let steps = nodes[position].core?.takeTrace() else { return }
        outcome.trace += steps
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

    private func written(_ position: Int, _ life: Int, _ token: UInt64, _ event: Event) throws(Violation) {
        guard nodes[position].life == life else { return }
        disks[position].complete(upTo: token)
        try checkCuts(of: position)
        startWriting(position)
        guard !postponed(event, for: position) else { return }
        try handle(position, [.persisted(0...token)])
    }

    private func finished(_ position: Int, _ life: Int, _ token: UInt64, _ event: Event) throws(Violation) {
        guard nodes[position].life == life else { return }
        disks[position].finish(token)
        try checkCuts(of: position)
        guard !postponed(event, for: position) else { return }
        try handle(position, [.persisted(token...token)])
    }

    func checkCuts(of position: Int) throws(Violation) {
        guard !disks[position].cut.isEmpty else { return }
        try checker.cut(disks[position].cut, from: nodes[position].id)
        disks[position].cut.removeAll(keepingCapacity: true)
    }

    // MARK: Nodes

    private func start(_ position: Int) {
        let node = nodes[position]
        let drift = scenario.driftPartsPerMillion
        nodes[position].clock = SimulatedClock(
            bootedAt: now, start: generator.pick(0...Int64(1_000_000_000)),
            drift: scenario.hasExtremeClocks
                ? generator.pick(from: [-drift, drift]) : drift == 0 ? 0 : generator.pick(-drift...drift))
        nodes[position].machine = stored(on: position)
        var restored = disks[position].durable
        // Some callers have what they stored handed out again, some say how far they are.
        if node.life % 2 == 0 {
            restored.appliedIndex = min(
                nodes[position].machine.appliedIndex, restored.hardState.commitIndex, restored.lastIndex)
        }
        nodes[position].core = RaftCore(
            id: node.id, restored: restored, configuration: scenario.configuration,
            seed: generator.next(), now: nodes[position].clock.local(now))
        if options.keepsTrace { nodes[position].core?.startTracing() }
        keepTrace(of: position)
        noteDeadline(of: position)
        scheduleKeeping(position)
    }

    func restart(_ position: Int) throws(Violation) {
        start(position)
        guard let core = nodes[position].core else { return }
        tell("\(core.id) starts in term \(core.term) with a log through \(core.lastIndex)")
        try checker.restarted(core, position: position, disk: disks[position])
    }

    /// Gives a node one turn and does what it asks for.
    func handle(_ position: Int, _ inputs: [RaftInput]) throws(Violation) {
        guard nodes[position].core != nil else { return }
        let committedBefore = nodes[position].core!.commitIndex
        var effects: [RaftEffect] = []
        nodes[position].core!.handle(inputs, at: nodes[position].clock.local(now), into: &effects)
        keepTrace(of: position)
        noteDeadline(of: position)
        guard let core = nodes[position].core else { return }
        trace(core, effects, position)
        for effect in effects { try perform(effect, of: position, core) }
        guard nodes[position].core != nil else { return }
        let hasWritten = effects.contains { effect in
            guard case .persist(let persist) = effect else { return false }
            return persist.truncateFrom != nil || persist.snapshot != nil
        }
        try checker.turned(core, position: position, hasWritten: hasWritten, disks: disks)
        guard core.role == .leader else { return }
        try checkDiskOf(leader: position)
        if core.commitIndex > committedBefore {
            try checker.committedByLeader(core, others: nodes, disks: disks)
        }
    }

    private func perform(_ effect: RaftEffect, of position: Int, _ core: RaftCore) throws(Violation) {
        switch effect {
        case .persist(let persist): try persisting(persist, position, core)
        case .send(let peer, let message): try send(message, from: position, core, to: peer)
        case .apply(let entries): for entry in entries { try apply(entry, on: position, core) }
        case .restore(let snapshot): try restore(snapshot, on: position, core)
        case .proposed: break
        case .rejected(let request, let error):
            try checker.wasRefused(request)
            refuse(request, error, by: position)
        case .readReady(let request, let index):
            outcome.reads += 1
            try checker.read(request, sees: index, at: core)
            answerRead(request, by: position)
        case .roleChanged(let role, let term, let leader):
            tell("\(core.id) is \(role) in term \(term)" + (leader.map { ", led by \($0)" } ?? ""))
            guard role == .leader else { return }
            outcome.elections += 1
            try checker.becameLeader(core)
        case .membershipChanged(let membership):
            outcome.membershipChanges += 1
            tell("\(core.id) counts \(describe(membership))")
        case .snapshotWanted(let plan): takeSnapshot(plan, position)
        case .sendSnapshot(let peer, let term, let snapshot, let offset, let byteCount):
            let piece = disks[position].snapshots.piece(of: snapshot, at: offset, byteCount: byteCount)
            guard let piece else { return }
            try send(.snapshot(RaftMessage.Snapshot(term: term, piece: piece)), from: position, core, to: peer)
        case .storeSnapshot(let piece): storeSoon(piece, position)
        case .stop(.diskFailed): try crash(position)
        case .stop(let error): throw checker.fail("no node stops", "\(core.id): \(error.message)")
        }
    }

    private func send(_ message: RaftMessage, from position: Int, _ core: RaftCore, to peer: NodeID) throws(Violation) {
        try checker.sent(message, by: core, to: peer, disk: disks[position])
        let target = Int(peer.rawValue) - 1
        for arrival in network.arrivals(from: position, to: target, at: now, &generator) {
            events.add(.deliver(from: position, to: target, message), at: arrival)
        }
    }
}
