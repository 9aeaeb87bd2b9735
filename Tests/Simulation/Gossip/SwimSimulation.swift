import Codec
import Mesh

/// A mesh of gossiping nodes in one process, on a simulated network and clock. Equal seeds give equal runs.
///
/// It does not cover datagrams that are older than a session, forged messages, and clocks that run at different speeds.
public struct SwimSimulation {
    /// A node's view of another changed.
    public struct Change: Hashable, Sendable {
        public let instant: Instant
        public let observer: NodeID
        public let subject: NodeID
        public let state: MemberState
    }

    private struct Node {
        var core: SwimCore?
        var generation: UInt64 = 0
        /// Inputs wait until then.
        var pausedUntil: Instant = .zero
        /// How long it takes to look at anything (Lifeguard's slow processes).
        var slowness = Interval.zero
        /// What its newest timer was set for.
        var timerDue: Instant?
        /// Nodes talk only within a side.
        var side = 0
        var facts: [UInt8] = []
    }

    private enum Event {
        case timer(Int, generation: UInt64)
        case message(SwimMessage, from: Int, to: Int, over: SwimPath)
    }

    public private(set) var now = Instant.zero
    public private(set) var history: [Change] = []
    public private(set) var messageCount = 0
    public private(set) var byteCountMax = 0
    private var sampledBytes = 0
    private var sampledMessages = 0
    private var inputCount = 0
    /// Of so many inputs one is checked in full, and of so many messages one encoded: all in a small mesh, since each
    /// check looks at every member.
    private let checkInterval: Int
    /// What must not happen, in the order in which it was seen.
    public private(set) var violations: [String] = []
    public var network: SimulatedNetwork
    private var nodes: [Node]
    private var events = EventQueue<Event>()
    private var generator: SeededGenerator
    public private(set) var digest = TraceDigest()

    /// All nodes start within the first second.
    public init(seed: UInt64, nodeCount: Int, weather: SimulatedNetwork.Weather = .fair) {
        generator = SeededGenerator(seed: seed)
        network = SimulatedNetwork(nodeCount: nodeCount, weather: weather)
        nodes = [Node](repeating: Node(), count: nodeCount)
        checkInterval = 1 + nodeCount * nodeCount / 4_000
        for node in nodes.indices { start(node) }
    }

    // MARK: What a test does to the mesh

    public static func id(_ node: Int) -> NodeID { NodeID(UInt64(node + 1)) }

    /// Starts a node that is not running, in a new generation.
    public mutating func start(_ node: Int) {
        nodes[node].generation += 1
        let core = SwimCore(
            id: Self.id(node), generation: nodes[node].generation, seed: generator.next(), now: now)
        nodes[node].core = core
        input(.members(nodes.indices.map(Self.id)), to: node)
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

    /// Splits the mesh: nodes with different numbers do not hear each other.
    public mutating func split(_ side: (Int) -> Int) {
        for node in nodes.indices { nodes[node].side = side(node) }
    }

    public mutating func say(_ node: Int, _ facts: [UInt8]) {
        nodes[node].facts = facts
        input(.facts(facts), to: node)
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

    private mutating func happen(_ event: Event) {
        switch event {
        case .timer(let node, let generation):
            guard nodes[node].core != nil, nodes[node].generation == generation else { return }
            nodes[node].timerDue = nil
            guard nodes[node].pausedUntil <= now else {
                events.add(event, at: nodes[node].pausedUntil)
                return
            }
            // A timer that was set before an earlier input moved the deadline.
            guard let due = nodes[node].core?.nextDeadline, due <= now else { return }
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

    private mutating func input(_ input: SwimInput, to node: Int) {
        guard var core = nodes[node].core else { return }
        nodes[node].core = nil
        inputCount += 1
        let before = inputCount % checkInterval == 0 ? core.members : nil
        var effects: [SwimEffect] = []
        core.handle(input, at: now, into: &effects)
        if let before { check(core, before) }
        // One timer is under way for each deadline, or a large mesh would drown in them.
        if let due = core.nextDeadline, nodes[node].timerDue != due {
            nodes[node].timerDue = due
            events.add(
                .timer(node, generation: nodes[node].generation), at: max(due, now) + nodes[node].slowness)
        }
        nodes[node].core = core
        for effect in effects {
            switch effect {
            case .send(let peer, let message, let path):
                send(message, from: node, to: Int(peer.rawValue) - 1, over: path)
            case .happened(let event):
                guard let state = event.state else { continue }
                history.append(Change(instant: now, observer: core.id, subject: event.member, state: state))
                digest.add(UInt64(now.nanoseconds))
                digest.add(core.id.rawValue << 32 | event.member.rawValue << 8 | UInt64(state.rawValue))
                digest.add(event.version.incarnation)
            }
        }
    }

    private mutating func send(_ message: SwimMessage, from: Int, to: Int, over path: SwimPath) {
        messageCount += 1
        checkEncoding(message)
        guard nodes[from].side == nodes[to].side else { return }
        for arrival in network.arrivals(from: from, to: to, at: now, &generator) {
            events.add(.message(message, from: from, to: to, over: path), at: arrival + nodes[to].slowness)
        }
    }

    /// In a small mesh messages with news always, of the many without one in 16.
    private mutating func checkEncoding(_ message: SwimMessage) {
        let isSample = messageCount % (16 * checkInterval) == 0
        guard isSample || !message.rumours.isEmpty && messageCount % checkInterval == 0 else { return }
        let bytes = message.encoded()
        byteCountMax = max(byteCountMax, bytes.count)
        if isSample {
            sampledBytes += bytes.count
            sampledMessages += 1
        }
        do {
            let copy = try SwimMessage(encoded: bytes)
            if copy != message {
                violations.append("\(now.nanoseconds): a message changed in its encoding: \(message)")
            }
        } catch {
            violations.append("\(now.nanoseconds): \(error.message): \(message)")
        }
    }

    private mutating func check(_ core: SwimCore, _ before: [SwimMember]) {
        if let flaw = core.checkInvariants() { violations.append("\(now.nanoseconds): \(core.id): \(flaw)") }
        for old in before {
            guard let new = core.member(old.id) else { continue }
            if new.version < old.version {
                violations.append("\(now.nanoseconds): \(core.id): the version of \(old.id) went back")
            }
            let isSameLife =
                (new.version.generation, new.version.renewal) == (old.version.generation, old.version.renewal)
            if isSameLife, old.state == .dead || old.state == .left, new.state != old.state {
                violations.append("\(now.nanoseconds): \(core.id): \(old.id) changed after its end")
            }
            if let subject = nodes[Int(old.id.rawValue) - 1].core, new.version > subject.version {
                violations.append("\(now.nanoseconds): \(core.id): \(old.id) is seen in a version it never had")
            }
        }
    }

    // MARK: What a test asks

    public var nodeCount: Int { nodes.count }

    /// Estimated from every sampled message; payload only, without what sessions add.
    public var bytesPerMessage: Double { Double(sampledBytes) / Double(max(sampledMessages, 1)) }

    public func core(_ node: Int) -> SwimCore? { nodes[node].core }

    /// Whether every running node sees every running one as alive.
    public var isAllAlive: Bool {
        nodes.indices.allSatisfy { subject in nodes[subject].core == nil || isSeenByAll(subject, .alive) }
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

    /// Deaths that nodes have declared.
    public var deaths: [Change] { history.filter { $0.state == .dead } }
}
