import Codec
@_spi(Simulation) import Mesh

/// A mesh of gossiping nodes in one process, on a simulated network and clock. Equal seeds give equal runs.
///
/// After every step the members that it touched are checked, and every so often everything (`SwimChecker`). What it does
/// not cover: clocks that run at different speeds, and what lies below (seals, replay windows, sessions).
public struct SwimSimulation {
    public struct Options {
        public var seed: UInt64
        public var nodeCount: Int
        public var weather = SimulatedNetwork.Weather.fair
        /// Everyone signs; else as in a mesh with programs that cannot.
        public var isSigning = true
        /// Everyone knows everyone from the start.
        public var isSettled = false
        var faults: SwimFaults = []

        public init(seed: UInt64, nodeCount: Int) {
            self.seed = seed
            self.nodeCount = nodeCount
        }
    }

    /// A node's view of another changed.
    public struct Change: Hashable, Sendable {
        public let instant: Instant
        public let observer: NodeID
        public let subject: NodeID
        public let state: MemberState
    }

    final class Node {
        var core: SwimCore?
        var generation: UInt64 = 0
        /// Inputs wait until then.
        var pausedUntil: Instant = .zero
        /// How long it takes to look at anything (Lifeguard's slow processes).
        var slowness = Interval.zero
        /// What its newest timer was set for, by its own clock; earlier ones are void.
        var timerDue: Instant?
        /// Nodes talk only within a side.
        var side = 0
        /// Of 1,000 messages to it, and from it.
        var deafness = 0
        var muteness = 0
        /// Its clock is so much ahead.
        var clockOffset = Interval.zero
        var facts: [UInt8] = []
        /// The greatest version that it, or a liar whose words are believable, has said of it.
        var truth = SwimVersion(generation: 0)
    }

    enum Event {
        case timer(Int, due: Instant)
        case message(SwimMessage, from: Int, to: Int, over: SwimPath)
    }

    public let options: Options
    public private(set) var now = Instant.zero
    public var network: SimulatedNetwork
    var nodes: [Node]
    private var events = EventQueue<Event>()
    public var generator: SeededGenerator
    public private(set) var digest = TraceDigest()
    public private(set) var history: [Change] = []
    /// Of the trouble that began last.
    public var tally: SwimTally
    public internal(set) var checker: SwimChecker
    /// When which node heard facts of this one, in that order.
    public var listenedTo: NodeID?
    public private(set) var hearings: [Instant] = []
    public private(set) var messageCount = 0
    public private(set) var byteCount = 0
    /// Messages that come again later, whatever they said.
    private var oldMessages: [Event] = []
    private let keepsHistory: Bool
    private let peers: [SwimPeer]
    private var settled: SwimSettlement?
    /// Nodes that start from now on know that everyone signs.
    private var isSigning: Bool

    public init(seed: UInt64, nodeCount: Int, weather: SimulatedNetwork.Weather = .fair) {
        var options = Options(seed: seed, nodeCount: nodeCount)
        options.weather = weather
        self.init(options)
    }

    /// All nodes start within the first second.
    public init(_ options: Options) {
        self.options = options
        generator = SeededGenerator(seed: options.seed)
        network = SimulatedNetwork(nodeCount: options.nodeCount, weather: options.weather)
        nodes = (0..<options.nodeCount).map { _ in Node() }
        tally = SwimTally(nodeCount: options.nodeCount)
        checker = SwimChecker(nodeCount: options.nodeCount)
        keepsHistory = options.nodeCount <= 256
        isSigning = options.isSigning
        peers = (0..<options.nodeCount).map { SwimPeer(id: Self.id($0)) }
        if options.isSettled {
            settled = SwimSettlement(peers, sign: SwimSeal.signature)
            for node in nodes { node.truth = SwimVersion(generation: 1, incarnation: 1) }
        }
        for node in nodes.indices { start(node) }
        settled = nil
    }

    // MARK: What a test does to the mesh

    public static func id(_ node: Int) -> NodeID { NodeID(UInt64(node + 1)) }
    static func number(_ id: NodeID) -> Int { Int(id.rawValue) - 1 }

    /// Starts a node that is not running, in a new generation, or in one that its clock gives it.
    public mutating func start(_ node: Int, generation: UInt64? = nil, restoring saved: [SwimRumour] = []) {
        nodes[node].generation += 1
        var core = SwimCore(
            id: Self.id(node), generation: generation ?? nodes[node].generation, seal: .simulated(Self.id(node)),
            seed: generator.next(), now: clock(node), faults: options.faults)
        nodes[node].timerDue = nil
        if let settled {
            core.settle(settled)
            nodes[node].core = core
            input(.timer, to: node)
            return
        }
        nodes[node].core = core
        input(.members(peers), to: node)
        if isSigning { input(.signaturesKnown, to: node) }
        if !saved.isEmpty { input(.restore(saved), to: node) }
        input(.facts(nodes[node].facts), to: node)
    }

    /// The power goes; with `isNoticed` the others' sessions break at once.
    public mutating func kill(_ node: Int, isNoticed: Bool = false) {
        nodes[node].core = nil
        guard isNoticed else { return }
        for other in nodes.indices where other != node { input(.unreachable(Self.id(node)), to: other) }
    }

    public mutating func leave(_ node: Int) { input(.leave, to: node) }

    /// The process stands still for a time; what arrives waits.
    public mutating func pause(_ node: Int, for interval: Interval) { nodes[node].pausedUntil = now + interval }

    /// From now on a node looks at what arrives, and at its clock, only after this time.
    public mutating func slow(_ node: Int, by interval: Interval) { nodes[node].slowness = interval }

    /// Its clock jumps ahead, as over a sleep that only it slept.
    public mutating func jumpClock(_ node: Int, by interval: Interval) {
        nodes[node].clockOffset = nodes[node].clockOffset + interval
        input(.timer, to: node)
    }

    /// Of 1,000 messages to it, and of those from it, so many are lost.
    public mutating func harm(_ node: Int, incoming: Int, outgoing: Int) {
        nodes[node].deafness = incoming
        nodes[node].muteness = outgoing
    }

    /// Splits the mesh: nodes with different numbers do not hear each other.
    public mutating func split(_ side: (Int) -> Int) {
        for node in nodes.indices { nodes[node].side = side(node) }
    }

    public mutating func say(_ node: Int, _ facts: [UInt8]) {
        nodes[node].facts = facts
        input(.facts(facts), to: node)
    }

    /// Every member learns that every other one signs.
    public mutating func sign() {
        isSigning = true
        for node in nodes.indices { input(.signaturesKnown, to: node) }
    }

    /// A message that a member sends by no rule of the protocol.
    public mutating func inject(_ rumours: [SwimRumour], from: Int, to: Int) {
        guard let core = nodes[from].core else { return }
        let message = SwimMessage(kind: .gossip, version: core.version, rumours: rumours)
        input(.received(from: Self.id(from), message, over: .datagram), to: to)
    }

    /// A liar's word counts as true where it is believable: its subject has to live with it.
    public mutating func claim(_ version: SwimVersion, about subject: Int) {
        nodes[subject].truth = max(nodes[subject].truth, version)
    }

    /// Some messages of long ago arrive again.
    public mutating func replay(_ count: Int) {
        for _ in 0..<count where !oldMessages.isEmpty {
            happen(oldMessages[Int(generator.next() % UInt64(oldMessages.count))])
        }
    }

    // MARK: Running

    public mutating func run(for interval: Interval) { run(for: interval) { _ in false } }

    /// Runs until the time is over or `isDone`; returns when that was.
    @discardableResult
    public mutating func run(for interval: Interval, until isDone: (SwimSimulation) -> Bool) -> Interval? {
        let start = now
        let end = now + interval
        while let due = events.nextInstant, due <= end, let event = events.removeNext() {
            now = max(now, due)
            happen(event)
            if isDone(self) { return now - start }
        }
        now = end
        return nil
    }

    private func clock(_ node: Int) -> Instant { now + nodes[node].clockOffset }

    private mutating func happen(_ event: Event) {
        switch event {
        case .timer(let node, let due):
            guard nodes[node].core != nil, nodes[node].timerDue == due else { return }
            guard nodes[node].pausedUntil <= now else {
                events.add(event, at: nodes[node].pausedUntil)
                return
            }
            nodes[node].timerDue = nil
            // A timer that was set before an input moved the deadline.
            guard let deadline = nodes[node].core?.nextDeadline, deadline <= clock(node) else { return setTimer(node) }
            input(.timer, to: node)
        case .message(let message, let from, let to, let path):
            guard nodes[to].core != nil else { return }
            guard nodes[to].pausedUntil <= now else {
                events.add(event, at: nodes[to].pausedUntil)
                return
            }
            input(.received(from: Self.id(from), message, over: path), to: to)
        }
    }

    private mutating func input(_ input: SwimInput, to number: Int) {
        let node = nodes[number]
        guard node.core != nil else { return }
        checker.before(input, node)
        var effects: [SwimEffect] = []
        node.core?.handle(input, at: clock(number), into: &effects)
        if let version = node.core?.version, version > node.truth { node.truth = version }
        checker.after(node, nodes, now)
        setTimer(number)
        for effect in effects {
            switch effect {
            case .send(let peer, let message, let path):
                send(message, from: number, to: Self.number(peer), over: path)
            case .happened(let event): note(event, by: number)
            }
        }
    }

    private mutating func setTimer(_ node: Int) {
        // One timer is under way for each node, or a large mesh would drown in them.
        guard let due = nodes[node].core?.nextDeadline else { return }
        guard nodes[node].timerDue.map({ due < $0 }) ?? true else { return }
        nodes[node].timerDue = due
        let instant = max(due - nodes[node].clockOffset, now) + nodes[node].slowness
        events.add(.timer(node, due: due), at: instant)
    }

    private mutating func note(_ event: MembershipEvent, by node: Int) {
        if event.member == listenedTo, case .facts = event.kind { hearings.append(now) }
        guard let state = event.state else { return }
        let change = Change(instant: now, observer: Self.id(node), subject: event.member, state: state)
        if keepsHistory { history.append(change) }
        tally.add(change, isRunning: nodes[Self.number(event.member)].core != nil)
        digest.add(UInt64(now.nanoseconds))
        digest.add(change.observer.rawValue << 32 | event.member.rawValue << 8 | UInt64(state.rawValue))
        digest.add(UInt64(event.version.incarnation))
    }

    private mutating func send(_ message: SwimMessage, from: Int, to: Int, over path: SwimPath) {
        messageCount += 1
        byteCount += checker.sent(message, from: nodes[from], to: Self.id(to), over: path, now)
        guard nodes[from].side == nodes[to].side else { return }
        if nodes[from].muteness + nodes[to].deafness > 0 {
            guard !generator.chance(nodes[from].muteness, in: 1_000), !generator.chance(nodes[to].deafness, in: 1_000)
            else { return }
        }
        let event = Event.message(message, from: from, to: to, over: path)
        if messageCount % 97 == 0, oldMessages.count < 256 { oldMessages.append(event) }
        for arrival in network.arrivals(
            from: from, to: to, at: now, isStream: path == .stream, &generator)
        {
            events.add(event, at: arrival + nodes[to].slowness)
        }
    }

    // MARK: What a test asks

    public var nodeCount: Int { nodes.count }
    /// What must not happen, in the order in which it was seen.
    public var violations: [String] { checker.violations }
    /// The longest datagram.
    public var byteCountMax: Int { checker.datagramBytesMax }

    public func core(_ node: Int) -> SwimCore? { nodes[node].core }

    /// Whether every running node sees every running one as alive.
    public var isAllAlive: Bool {
        // Where all run, each core knows it by its own counts.
        if nodes.allSatisfy({ $0.core != nil }) { return nodes.allSatisfy { $0.core?.isEverybodyAlive ?? false } }
        return nodes.allSatisfy { node in
            guard let core = node.core else { return true }
            return nodes.indices.allSatisfy { nodes[$0].core == nil || core.state(of: Self.id($0)) == .alive }
        }
    }

    /// Whether every running node but the subject sees it in this state.
    public func isSeenByAll(_ subject: Int, _ state: MemberState) -> Bool {
        nodes.indices.allSatisfy { node in
            guard node != subject, let core = nodes[node].core else { return true }
            return core.state(of: Self.id(subject)) == state
        }
    }

    /// Whether every running node knows the facts of every running one.
    public var areFactsKnown: Bool {
        nodes.indices.allSatisfy { subject in
            guard nodes[subject].core != nil else { return true }
            return nodes.indices.allSatisfy { node in
                guard node != subject, let core = nodes[node].core else { return true }
                return core.member(Self.id(subject))?.facts == nodes[subject].facts
            }
        }
    }

    /// From here on `unprobed` says who was not probed as often as a pass demands. In a mesh of up to 9.
    public mutating func watchProbes() { checker.watchProbes(from: now) }

    /// Who was not probed in time by whom; nil where everyone was.
    public var unprobed: String? {
        checker.unprobed(nodes.indices.filter { nodes[$0].core.map { $0.state(of: $0.id) == .alive } ?? false }, now)
    }

    /// Deaths that nodes have declared.
    public var deaths: [Change] { history.filter { $0.state == .dead } }
}
