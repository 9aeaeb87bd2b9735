import Codec
@_spi(Simulation) import Mesh

/// One random history of a small mesh: faults of one climate, then calm, in which everything must come right.
///
/// In a mild climate more must hold than safety: who is only slow, or behind one broken link, is not taken for dead.
public struct SwimStorm {
    enum Climate: CaseIterable {
        /// Loss, delay, splits, crashes, restarts, liars, forgers, old messages.
        case wild
        /// Processes stand still and clocks jump on a fair network.
        case pauses
        /// One link is broken at a time.
        case link
        /// Members leave and come back on a fair network; liars speak.
        case leaving
    }

    public let seed: UInt64
    let climate: Climate
    private(set) var mesh: SwimSimulation
    private var random: SeededGenerator
    private var story: [String] = []
    private var hasLeft: Set<Int> = []
    private var stoodStill: Set<Int> = []
    /// Old words of each subject, as forgers have them.
    private var liedAbout = false

    public init(seed: UInt64) { self.init(seed: seed, faults: []) }

    init(seed: UInt64, faults: SwimFaults) {
        self.seed = seed
        random = SeededGenerator(seed: seed &* 0x5DEE_CE66 &+ 11)
        climate = Climate.allCases[random.pick(0...5) % Climate.allCases.count]
        var options = SwimSimulation.Options(seed: seed, nodeCount: random.pick(4...9))
        options.weather.usualMicroseconds = 50...random.pick(200...Int64(5_000))
        if climate == .wild { options.weather = .drawn(by: &random) }
        options.faults = faults
        mesh = SwimSimulation(options)
    }

    /// What did not hold; nil where all did. The story says what happened.
    public mutating func run() -> (violation: String?, story: [String]) {
        mesh.run(for: .seconds(4))
        for _ in 0..<random.pick(6...24) {
            act()
            mesh.run(for: .milliseconds(random.pick(50...6_000)))
            if let violation = mesh.violations.first { return (violation, story) }
            if let flaw = slander() { return (flaw, story) }
        }
        return (calm(), story)
    }

    private mutating func tell(_ line: String) { story.append("\((mesh.now - .zero).milliseconds) ms: \(line)") }

    // MARK: Trouble

    private mutating func act() {
        let node = random.pick(0...(mesh.nodeCount - 1))
        switch climate {
        case .wild: actWildly(node)
        case .pauses:
            stoodStill.insert(node)
            if random.chance(1, in: 2) {
                let time = Interval.milliseconds(random.pick(500...8_000))
                tell("n\(node + 1) stands still for \(time.milliseconds) ms")
                mesh.pause(node, for: time)
            } else {
                tell("the clock of n\(node + 1) jumps")
                mesh.jumpClock(node, by: .milliseconds(random.pick(300...100_000)))
            }
        case .link:
            mesh.network.heal()
            let other = random.pick(0...(mesh.nodeCount - 1))
            tell("the link of n\(node + 1) and n\(other + 1) is the only broken one")
            if node != other { mesh.network.cutLink(node, other) }
            if random.chance(1, in: 3) { say(node) }
        case .leaving:
            if mesh.core(node) == nil { return start(node) }
            switch random.pick(0...3) {
            case 0:
                tell("n\(node + 1) leaves")
                mesh.leave(node)
                mesh.run(for: .milliseconds(500))
                mesh.kill(node)
                hasLeft.insert(node)
            case 1: say(node)
            default: attack(node)
            }
        }
    }

    private mutating func actWildly(_ node: Int) {
        let isUp = mesh.core(node) != nil
        switch random.pick(0...11) {
        case 0, 1:
            if isUp {
                tell("n\(node + 1) crashes")
                mesh.kill(node, isNoticed: random.chance(1, in: 2))
            } else {
                start(node)
            }
        case 2: tell(mesh.network.breakApart(&random))
        case 3, 4:
            tell("all links are whole")
            mesh.network.heal()
        case 5:
            tell("n\(node + 1) stands still")
            mesh.pause(node, for: .milliseconds(random.pick(100...9_000)))
        case 6, 7: say(node)
        case 8:
            tell("old messages arrive again")
            mesh.replay(20)
        case 9:
            tell("n\(node + 1) hears badly")
            mesh.harm(node, incoming: random.pick(0...600), outgoing: random.pick(0...300))
        default: attack(node)
        }
    }

    private mutating func start(_ node: Int) {
        tell("n\(node + 1) starts")
        hasLeft.remove(node)
        mesh.start(node)
    }

    private mutating func say(_ node: Int) {
        tell("n\(node + 1) has news of itself")
        mesh.say(
            node,
            (0..<random.pick(1...SwimConstants.factBytesMax)).map {
                UInt8(truncatingIfNeeded: $0) ^ UInt8(random.pick(0...255))
            })
    }

    /// A member that lies, or passes on what it has forged, to one other.
    private mutating func attack(_ liar: Int) {
        let victim = random.pick(0...(mesh.nodeCount - 1))
        let listener = random.pick(0...(mesh.nodeCount - 1))
        guard liar != victim, listener != liar, let known = mesh.core(liar)?.member(SwimSimulation.id(victim)),
            mesh.core(victim) != nil, !known.isUnheard
        else { return }
        let author = SwimSimulation.id(liar)
        let subject = SwimSimulation.id(victim)
        var version = known.version
        let kind = random.pick(0...6)
        tell("n\(liar + 1) attacks n\(victim + 1) at n\(listener + 1) in way \(kind)")
        func word(_ author: NodeID, _ state: MemberState, isGenuine: Bool) -> SwimRumour {
            let statement = SwimStatement(author: author, subject: subject, version: version, content: .state(state))
            var signature = SwimSeal.signature(statement)
            if !isGenuine { signature[0] ^= 1 }
            return .state(
                SwimWord(author: author, subject: subject, version: version, state: state, signature: signature))
        }
        switch kind {
        case 0:
            version.incarnation += 5
            mesh.inject([word(subject, .alive, isGenuine: false)], from: liar, to: listener)
        case 1: mesh.inject([word(author, .dead, isGenuine: true)], from: liar, to: listener)
        case 2:
            version.incarnation += SwimConstants.incarnationJumpMax + 7
            mesh.inject([word(author, .suspect, isGenuine: true)], from: liar, to: listener)
        case 3:
            version.incarnation += 3
            mesh.claim(version, about: victim)
            mesh.inject([word(author, .suspect, isGenuine: true)], from: liar, to: listener)
        case 4:
            version.incarnation += 5
            let unsigned = SwimWord(author: subject, subject: subject, version: version, state: .alive, signature: [])
            mesh.inject([.state(unsigned)], from: liar, to: listener)
        case 5:
            version.incarnation += 9
            let statement = SwimStatement(author: subject, subject: subject, version: version, content: .facts([6]))
            let facts = SwimFacts(
                subject: subject, version: version, bytes: [66], signature: SwimSeal.signature(statement))
            mesh.inject([.facts(facts)], from: liar, to: listener)
            if mesh.core(listener)?.member(subject)?.facts == [66] { liedAbout = true }
        default:
            version.incarnation += 2
            mesh.inject([word(subject, .left, isGenuine: false)], from: liar, to: listener)
        }
    }

    // MARK: What must hold

    /// In a mild climate: who was taken for dead, or suspected, and should not have been.
    private func slander() -> String? {
        if liedAbout { return "forged facts are believed" }
        guard climate != .wild else { return nil }
        for change in mesh.history {
            let subject = SwimSimulation.number(change.subject)
            switch (climate, change.state) {
            case (.pauses, .dead) where !stoodStill.contains(subject):
                return "\(change.observer) takes \(change.subject), which is well, for dead"
            case (.pauses, .suspect) where !stoodStill.contains(subject):
                return "\(change.observer) suspects \(change.subject), which is well"
            case (.link, .suspect): return "\(change.observer) suspects \(change.subject) for one broken link"
            case (.leaving, .dead):
                return "\(change.observer) takes \(change.subject) for dead, which is well or has left"
            default: break
            }
        }
        return nil
    }

    private mutating func calm() -> String? {
        tell("calm")
        mesh.network.heal()
        mesh.network.weather = .fair
        for node in 0..<mesh.nodeCount { mesh.harm(node, incoming: 0, outgoing: 0) }
        mesh.run(for: .seconds(60))
        if let violation = mesh.violations.first ?? slander() { return violation }
        if !mesh.isAllAlive { return "after a minute of calm not everyone is seen alive" }
        if !mesh.areFactsKnown { return "after a minute of calm not all facts are known" }
        for node in 0..<mesh.nodeCount where mesh.core(node) == nil {
            let isGood = mesh.isSeenByAll(node, .dead) || mesh.isSeenByAll(node, .left)
            if !isGood { return "n\(node + 1) is gone, and not everyone knows" }
            if climate == .leaving, hasLeft.contains(node), !mesh.isSeenByAll(node, .left) {
                return "n\(node + 1) said goodbye, and not everyone knows"
            }
        }
        let versions = (0..<mesh.nodeCount).map { mesh.core($0)?.version }
        let began = mesh.history.count
        mesh.watchProbes()
        mesh.run(for: .seconds(10))
        if (0..<mesh.nodeCount).map({ mesh.core($0)?.version }) != versions { return "versions change in calm" }
        if mesh.history.count != began { return "members are suspected in calm" }
        if let gap = mesh.unprobed { return gap }
        return mesh.violations.first
    }
}
