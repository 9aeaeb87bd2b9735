import Codec

/// Which members of the mesh are alive, as far as this node can tell: SWIM with Lifeguard's suspicion and local health,
/// and push-pull for what rumours missed.
///
/// It decides whom to probe, when silence becomes suspicion and suspicion death, and what to pass on. It never decides who
/// is a member (the replicated membership does) or what follows from a death (the leases do): Raft and the scheduler stay
/// safe whatever it says. What is sent under it proves its sender; what is told of others proves its author (`SwimSeal`).
///
/// Invariants: a stored version never goes back; only the subject of a version makes it greater; dead and left never
/// change within a life; a suspicion is kept exactly for each suspect; nothing is passed on that was not checked.
///
/// Sources: SWIM (DSN 2002), Lifeguard (2017); identities that renew themselves after foca; the numbers stand in
/// `SwimConstants`.
public struct SwimCore: Sendable {
    public let id: NodeID
    /// When it wants `.timer`; nil while it has nothing to wait for.
    public private(set) var nextDeadline: Instant?

    /// Its own version, as it tells others.
    public private(set) var version: SwimVersion
    /// What it says of itself, in a word that others pass on.
    private(set) var ownWord: SwimWord
    private(set) var ownFacts: SwimFacts?
    private(set) var isLeaving = false
    /// Everybody signs: what has no signature is not believed.
    public private(set) var isSigning = false
    /// What was not believed.
    public internal(set) var refused = SwimRefusals()
    /// How often a word with this node's own signature was newer than what it had said. A former process of a clock that
    /// was ahead may have said a few, which are overtaken once each; another one that lives answers every time.
    public internal(set) var overtaken: UInt64 = 0

    let seal: SwimSeal
    let faults: SwimFaults
    var table = MemberTable()
    /// How long each suspect has to speak. Iterated only where order does not matter, or sorted.
    var suspicions: [NodeID: Suspicion] = [:]
    /// When they end.
    var verdicts = VerdictQueue()
    private var deadCount = 0
    private var finalCount = 0
    var order = ProbeOrder()
    var probes: [Probe] = []
    var relays: [Relay] = []
    /// Probes that have failed, the newest last: what is answered late tells about this node.
    var unanswered: [Probe] = []
    var lateness = Lateness()
    var rumours = RumourQueue()
    var generator: SeededGenerator
    private var sequence: UInt64
    /// 0: this node hears well; up to `SwimConstants.healthMax`.
    var health: Int64 = 0

    var nextProbe: Instant
    var nextGossip: Instant
    var nextSync: Instant
    var nextRetry: Instant

    /// - Parameters:
    ///   - generation: of this start of the process; greater at each start, and not 0.
    ///   - seed: differs between nodes and starts, so that they do not probe in step.
    public init(id: NodeID, generation: UInt64, seal: SwimSeal, seed: UInt64, now: Instant) {
        self.init(id: id, generation: generation, seal: seal, seed: seed, now: now, faults: [])
    }

    /// With known mistakes put back on purpose, so that the simulator can show that it finds them.
    @_spi(Simulation) public init(
        id: NodeID, generation: UInt64, seal: SwimSeal, seed: UInt64, now: Instant, faults: SwimFaults
    ) {
        self.id = id
        self.seal = seal
        self.faults = faults
        version = SwimVersion(generation: min(max(generation, 1), SwimConstants.generationMax))
        ownWord = SwimWord(author: id, subject: id, version: version, state: .alive, signature: [])
        generator = SeededGenerator(seed: seed)
        // Numbers of an earlier start must not answer probes of this one.
        sequence = generator.next() >> 1
        nextProbe = now
        nextGossip = now
        nextSync = now
        nextRetry = now
        // Nodes that start together must not probe in step.
        nextProbe = now + delay(upTo: SwimConstants.probeInterval)
        nextSync = now + SwimConstants.probeInterval + delay(upTo: SwimConstants.probeInterval)
    }

    // MARK: What others may ask

    /// What is known of another member; nil for this node itself and for strangers.
    public func member(_ id: NodeID) -> SwimMember? {
        id == self.id ? nil : table.index(of: id).map { table[$0] }
    }

    /// How a member is seen; nil for one that is not a member. This node itself is alive until it leaves.
    public func state(of id: NodeID) -> MemberState? {
        if id == self.id { return isLeaving ? .left : .alive }
        return member(id)?.state
    }

    /// Whether it takes nobody for suspect, dead or gone.
    @_spi(Simulation) public var isEverybodyAlive: Bool { !isLeaving && finalCount == 0 && suspicions.isEmpty }

    /// All other members, in order.
    public var memberIDs: [NodeID] { table.ids.filter { $0 != id } }

    /// What it knows, to be kept on disk and given back by `.restore` after a restart.
    public var saved: [SwimRumour] {
        table.ids.indices.flatMap { index in
            [stateRumour(index), table[index].said.map(SwimRumour.facts)].compactMap { $0 }
        }
    }

    // MARK: One turn

    public mutating func handle(_ input: SwimInput, at now: Instant, into effects: inout [SwimEffect]) {
        excuseStall(at: now)
        switch input {
        case .timer: break
        case .received(let sender, let message, let path):
            receive(message, from: sender, over: path, at: now, into: &effects)
        case .members(let peers): setMembers(peers, at: now, into: &effects)
        case .unreachable(let peer):
            if let member = member(peer), !member.state.isFinal { probe(peer, isUrgent: true, at: now, into: &effects) }
        case .facts(let facts): setFacts(facts)
        case .signaturesKnown: beginSigning()
        case .restore(let rumours): recall(rumours, at: now, into: &effects)
        case .leave: leave(into: &effects)
        }
        runTimers(at: now, into: &effects)
        nextDeadline = deadline()
    }

    private mutating func runTimers(at now: Instant, into effects: inout [SwimEffect]) {
        guard otherCount > 0 else { return }
        answerAskers(at: now, into: &effects)
        advanceProbes(at: now, into: &effects)
        buryOverdue(at: now, into: &effects)
        if !isLeaving {
            beginRound(at: now, into: &effects)
            if deadCount > 0 { retryDead(at: now, into: &effects) }
            compare(at: now, into: &effects)
        }
        gossip(at: now, into: &effects)
    }

    private func deadline() -> Instant? {
        guard otherCount > 0 else { return nil }
        var next = verdicts.next
        for relay in relays { next = min(next, relay.nextDeadline) }
        for probe in probes { next = min(next, probe.nextDeadline) }
        if !rumours.isEmpty, finalCount < otherCount { next = min(next, nextGossip) }
        if !isLeaving {
            next = min(next, nextProbe, nextSync)
            if deadCount > 0, !faults.contains(.forgetsTheDead) { next = min(next, nextRetry) }
        }
        return next == .distantFuture ? nil : next
    }

    /// A process that stood still has not heard anyone: all waiting goes on from where it stopped, and a little later, so
    /// that the answers that lie in the sockets are read before anybody is accused.
    private mutating func excuseStall(at now: Instant) {
        guard let due = nextDeadline, now - due > SwimConstants.stallTolerance, !faults.contains(.stallAccuses)
        else { return }
        let lost = now - due + SwimConstants.stallTolerance
        for index in probes.indices { probes[index].postpone(by: lost) }
        for index in relays.indices { relays[index].postpone(by: lost) }
        for suspect in suspicions.keys { suspicions[suspect]?.postpone(by: lost) }
        awaitVerdicts()
        nextProbe = nextProbe + lost
        nextSync = nextSync + lost
        nextRetry = nextRetry + lost
    }

    // MARK: Members

    /// Members beside this node.
    var otherCount: Int { table.count - (table.index(of: id) == nil ? 0 : 1) }

    private mutating func setMembers(_ peers: [SwimPeer], at now: Instant, into effects: inout [SwimEffect]) {
        let before = table
        table = MemberTable(peers) { id in before.index(of: id).map { before[$0] } ?? SwimMember() }
        order.change(from: before.ids, to: table.ids, &generator)
        for (index, gone) in before.ids.enumerated() where table.index(of: gone) == nil {
            if !before[index].isUnheard { happened(.removed, to: gone, before[index], at: now, into: &effects) }
            rumours.remove(RumourQueue.Topic(gone))
            rumours.remove(RumourQueue.Topic(gone, isFacts: true))
            probes.removeAll { $0.target == gone }
            unanswered.removeAll { $0.target == gone }
            relays.removeAll { $0.asker == gone || $0.target == gone }
            suspicions[gone] = nil
        }
        recount()
        mirrorSelf()
        // In a mesh of another size they have another time.
        if !suspicions.isEmpty { awaitVerdicts() }
        // First words: who this is, and in which life.
        let isNew = table.ids.contains { $0 != id && before.index(of: $0) == nil }
        if isNew, !isLeaving { rumours.add(RumourQueue.Topic(id)) }
        if isNew, !isLeaving, ownFacts != nil { rumours.add(RumourQueue.Topic(id, isFacts: true)) }
    }

    /// What is known from the start, this node's own first word among it.
    mutating func takeOver(_ settled: MemberTable) {
        table = settled
        isSigning = true
        guard let index = table.index(of: id), let word = table[index].word else { return }
        ownWord = word
        version = word.version
    }

    /// What it knew before a restart. The others know it too: nothing of it is passed on.
    private mutating func recall(_ saved: [SwimRumour], at now: Instant, into effects: inout [SwimEffect]) {
        let (news, before) = (rumours, version)
        for rumour in saved { _ = learn(rumour, at: now, into: &effects) }
        rumours = news
        // Its own word of a life that its clock has not reached again.
        if version != before { speak() }
    }

    private mutating func recount() {
        deadCount = 0
        finalCount = 0
        for index in table.ids.indices where table.ids[index] != id {
            count(from: .alive, to: table[index].state)
        }
    }

    /// Keeps the counts by state right.
    mutating func count(from before: MemberState, to after: MemberState) {
        deadCount += (after == .dead ? 1 : 0) - (before == .dead ? 1 : 0)
        finalCount += (after.isFinal ? 1 : 0) - (before.isFinal ? 1 : 0)
    }

    /// What is said of members is said of this node too, from its own place in the table.
    private mutating func mirrorSelf() {
        guard let index = table.index(of: id) else { return }
        table[index].version = version
        table[index].word = ownWord
        table[index].said = ownFacts
        table[index].state = ownWord.state
    }

    // MARK: About itself

    private mutating func setFacts(_ new: [UInt8]) {
        guard new != ownFacts?.bytes ?? [], new.count <= SwimConstants.factBytesMax else { return }
        ownFacts = SwimFacts(subject: id, version: version, bytes: new, signature: [])
        raiseIncarnation(above: version.incarnation)
        sayFacts()
    }

    /// From here on every member can check signatures: what was said without is said again.
    private mutating func beginSigning() {
        guard !isSigning else { return }
        isSigning = true
        raiseIncarnation(above: version.incarnation)
        if ownFacts != nil { sayFacts() }
    }

    /// New facts, and the answer to a suspicion: a version that nobody has seen.
    mutating func raiseIncarnation(above seen: UInt32) {
        guard seen < SwimConstants.incarnationMax else { return renew(above: version) }
        version.incarnation = seen + 1
        speak()
    }

    /// Others take this life for over, or have seen one that is greater: begin a new one.
    mutating func renew(above seen: SwimVersion) {
        version =
            seen.renewal < SwimConstants.renewalMax
            ? SwimVersion(generation: seen.generation, renewal: seen.renewal + 1)
            : SwimVersion(generation: seen.generation + 1)
        speak()
    }

    /// Puts what it is now into a word.
    private mutating func speak() {
        ownWord = word(on: id, version: version, state: isLeaving ? .left : .alive)
        rumours.add(RumourQueue.Topic(id), goesFirst: true)
        // Who knows no signatures takes facts only with the version that it knows.
        if !isSigning, ownFacts != nil { sayFacts() }
        mirrorSelf()
    }

    private mutating func sayFacts() {
        guard let facts = ownFacts else { return }
        let statement = SwimStatement(author: id, subject: id, version: version, content: .facts(facts.bytes))
        ownFacts = SwimFacts(
            subject: id, version: version, bytes: facts.bytes, signature: isSigning ? seal.sign(statement) : [])
        rumours.add(RumourQueue.Topic(id, isFacts: true))
        mirrorSelf()
    }

    /// A word of this node.
    func word(on subject: NodeID, version: SwimVersion, state: MemberState) -> SwimWord {
        let statement = SwimStatement(author: id, subject: subject, version: version, content: .state(state))
        return SwimWord(
            author: id, subject: subject, version: version, state: state,
            signature: isSigning ? seal.sign(statement) : [])
    }

    mutating func nextSequence() -> UInt64 {
        sequence += 1
        return sequence
    }

    private mutating func leave(into effects: inout [SwimEffect]) {
        guard !isLeaving else { return }
        isLeaving = true
        probes = []
        guard !faults.contains(.leavesSilently) else { return }
        speak()
        // To as many as there is time for: the process may be gone before the next round.
        for member in pick(SwimConstants.probesPerRoundMax * 2, where: { !$0.state.isFinal }) {
            send(.gossip, to: member, into: &effects)
        }
    }
}
