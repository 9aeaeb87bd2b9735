import Codec

/// Which members of the mesh are alive, as far as this node can tell: SWIM with Lifeguard's suspicion and local health,
/// and push-pull for what rumours missed.
///
/// It decides whom to probe, when silence becomes suspicion and suspicion death, and what to pass on. It never decides who
/// is a member (the replicated membership does) or what follows from a death (the leases do): Raft and the scheduler stay
/// safe whatever it says. It believes members that speak about each other; the session under it proves who speaks.
///
/// Invariants: a stored version never goes back; only the subject of a version makes it greater; dead and left never
/// change within a life; a suspicion is kept exactly for each suspect.
///
/// Sources: SWIM (DSN 2002), Lifeguard (2017); identities that renew themselves after foca; the numbers stand in
/// `SwimConstants`.
public struct SwimCore: Sendable {
    public let id: NodeID
    /// When it wants `.timer`; nil while it has nothing to wait for.
    public private(set) var nextDeadline: Instant?

    /// Its own version, as it tells others.
    public private(set) var version: SwimVersion
    var facts: [UInt8] = []
    private(set) var isLeaving = false

    /// All other members, sorted by id.
    public internal(set) var members: [SwimMember] = []
    /// Those that are suspected, in the order in which they were; and how many are dead.
    private(set) var suspects: [NodeID] = []
    private var deadCount = 0
    /// The order of the present pass of probes, and where in it the next one is.
    var order: [NodeID] = []
    var orderIndex = 0
    var probes: [Probe] = []
    var relays: [Relay] = []
    var rumours = RumourQueue()
    private var generator: SeededGenerator
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
    public init(id: NodeID, generation: UInt64, seed: UInt64, now: Instant) {
        self.id = id
        version = SwimVersion(generation: min(max(generation, 1), SwimConstants.generationMax))
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

    public func member(_ id: NodeID) -> SwimMember? { index(of: id).map { members[$0] } }

    /// How a member is seen; nil for one that is not a member. This node itself is alive until it leaves.
    public func state(of id: NodeID) -> MemberState? {
        if id == self.id { return isLeaving ? .left : .alive }
        return member(id)?.state
    }

    // MARK: One turn

    public mutating func handle(_ input: SwimInput, at now: Instant, into effects: inout [SwimEffect]) {
        excuseStall(at: now)
        switch input {
        case .timer: break
        case .received(let sender, let message, let path):
            receive(message, from: sender, over: path, at: now, into: &effects)
        case .members(let ids): setMembers(ids, at: now, into: &effects)
        case .unreachable(let peer):
            if let member = member(peer), !member.state.isFinal { probe(peer, isUrgent: true, at: now, into: &effects) }
        case .facts(let facts): setFacts(facts)
        case .leave: leave(into: &effects)
        }
        runTimers(at: now, into: &effects)
        nextDeadline = deadline()
    }

    private mutating func runTimers(at now: Instant, into effects: inout [SwimEffect]) {
        guard !members.isEmpty else { return }
        answerAskers(at: now, into: &effects)
        advanceProbes(at: now, into: &effects)
        buryOverdue(at: now, into: &effects)
        if !isLeaving {
            beginRound(at: now, into: &effects)
            retryDead(at: now, into: &effects)
            compare(at: now, into: &effects)
        }
        gossip(at: now, into: &effects)
    }

    private func deadline() -> Instant? {
        guard !members.isEmpty else { return nil }
        var next = Instant.distantFuture
        for relay in relays { next = min(next, relay.deadline) }
        for probe in probes { next = min(next, probe.nextDeadline) }
        for suspect in suspects {
            if let suspicion = member(suspect)?.suspicion { next = min(next, deadline(of: suspicion)) }
        }
        if !rumours.isEmpty, members.contains(where: { !$0.state.isFinal }) { next = min(next, nextGossip) }
        if !isLeaving {
            next = min(next, nextProbe, nextSync)
            if deadCount > 0 { next = min(next, nextRetry) }
        }
        return next == .distantFuture ? nil : next
    }

    /// A process that stood still has not heard anyone: all waiting goes on from where it stopped, so that the answers
    /// that lie in the sockets are read before anybody is accused.
    private mutating func excuseStall(at now: Instant) {
        guard let due = nextDeadline, now - due > SwimConstants.stallTolerance else { return }
        let lost = now - due
        for index in probes.indices { probes[index].postpone(by: lost) }
        for index in relays.indices { relays[index].deadline = relays[index].deadline + lost }
        for suspect in suspects {
            guard let index = index(of: suspect), let startedAt = members[index].suspicion?.startedAt else { continue }
            members[index].suspicion?.startedAt = startedAt + lost
        }
        nextProbe = nextProbe + lost
        nextSync = nextSync + lost
        nextRetry = nextRetry + lost
    }

    // MARK: Members

    private mutating func setMembers(_ ids: [NodeID], at now: Instant, into effects: inout [SwimEffect]) {
        let wanted = ids.filter { $0 != id }.sorted()
        var next: [SwimMember] = []
        var hasNewcomers = false
        for id in wanted where next.last?.id != id {
            if let index = index(of: id) {
                next.append(members[index])
            } else {
                next.append(SwimMember(id: id))
                hasNewcomers = true
                // Somewhere in what is left of the pass, so that newcomers are not all probed together.
                order.insert(id, at: orderIndex + draw(order.count - orderIndex + 1))
            }
        }
        let before = members
        members = next
        for member in before where index(of: member.id) == nil && member.version != .unheard {
            happened(.removed, to: member, at: now, into: &effects)
        }
        suspects = suspects.filter { index(of: $0) != nil }
        deadCount = members.count { $0.state == .dead }
        for gone in order where index(of: gone) == nil {
            rumours.remove(gone)
            probes.removeAll { $0.target == gone }
            relays.removeAll { $0.asker == gone || $0.target == gone }
        }
        orderIndex = order.prefix(orderIndex).filter { index(of: $0) != nil }.count
        order = order.filter { index(of: $0) != nil }
        // First words: who this is, and in which life.
        if hasNewcomers, !isLeaving { rumours.add(self.id) }
    }

    /// Keeps the counts by state right.
    mutating func count(_ id: NodeID, from before: MemberState, to after: MemberState) {
        if before == .suspect { suspects.removeAll { $0 == id } }
        if after == .suspect { suspects.append(id) }
        deadCount += (after == .dead ? 1 : 0) - (before == .dead ? 1 : 0)
    }

    func index(of id: NodeID) -> Int? {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < members.count && members[low].id == id ? low : nil
    }

    // MARK: About itself

    private mutating func setFacts(_ new: [UInt8]) {
        guard new != facts, new.count <= SwimConstants.factBytesMax else { return }
        facts = new
        raiseIncarnation(above: version.incarnation)
    }

    /// New facts, and the answer to a suspicion: a version that nobody has seen.
    mutating func raiseIncarnation(above seen: UInt64) {
        guard seen < SwimConstants.incarnationMax else { return renew(above: version) }
        version.incarnation = seen + 1
        rumours.add(id)
    }

    /// Others take this life for over, or have seen one that is greater: begin a new one.
    mutating func renew(above seen: SwimVersion) {
        version =
            seen.renewal < SwimConstants.incarnationMax
            ? SwimVersion(generation: seen.generation, renewal: seen.renewal + 1)
            : SwimVersion(generation: seen.generation + 1)
        rumours.add(id)
    }

    var ownRumour: SwimRumour {
        SwimRumour(subject: id, version: version, state: isLeaving ? .left : .alive, facts: isLeaving ? nil : facts)
    }

    private mutating func leave(into effects: inout [SwimEffect]) {
        guard !isLeaving else { return }
        isLeaving = true
        probes = []
        rumours.add(id)
        // To as many as there is time for: the process may be gone before the next round.
        for member in pick(SwimConstants.probesPerRoundMax * 2, where: { !$0.state.isFinal }) {
            send(.gossip, to: member, into: &effects)
        }
    }

    // MARK: Messages

    /// A message with what the receiver should hear: first what is believed of itself, so that it can object.
    mutating func message(_ kind: SwimMessage.Kind, to peer: NodeID) -> SwimMessage {
        var carried = isLeaving ? [ownRumour] : []
        if let member = member(peer), member.state != .alive { carried.append(member.rumour) }
        let bytesLeft = SwimConstants.rumourBytesMax - carried.reduce(0) { $0 + $1.byteCountMax }
        var queue = rumours
        rumours = RumourQueue()
        carried += queue.take(byteCountMax: bytesLeft, sendsMax: rumourSendsMax) { subject in
            subject == id ? ownRumour : member(subject)?.rumour
        }
        rumours = queue
        return SwimMessage(kind: kind, version: version, rumours: carried)
    }

    mutating func send(
        _ kind: SwimMessage.Kind, to peer: NodeID, over path: SwimPath = .datagram, into effects: inout [SwimEffect]
    ) {
        effects.append(.send(peer, message(kind, to: peer), over: path))
    }

    func happened(
        _ kind: MembershipEvent.Kind, to member: SwimMember, at now: Instant, into effects: inout [SwimEffect]
    ) {
        effects.append(
            .happened(MembershipEvent(instant: now, member: member.id, version: member.version, kind: kind)))
    }

    /// Logarithmic in the mesh: enough for a rumour to reach everyone (SWIM, section 4.1).
    private var rumourSendsMax: Int {
        SwimConstants.rumourSendsFactor * (Int.bitWidth - members.count.leadingZeroBitCount + 1)
    }

    // MARK: Chance

    /// A number below `bound`.
    mutating func draw(_ bound: Int) -> Int { Int(generator.next() % UInt64(max(bound, 1))) }

    mutating func delay(upTo interval: Interval) -> Interval {
        Interval(nanoseconds: Int64(generator.next() % UInt64(max(interval.nanoseconds, 1))))
    }

    mutating func shuffle(_ ids: [NodeID]) -> [NodeID] {
        var ids = ids
        for index in ids.indices.dropLast() { ids.swapAt(index, index + draw(ids.count - index)) }
        return ids
    }

    /// Up to `count` members of this kind, in a random order: a walk through all members from a random place with a
    /// random stride, which ends when enough are found. Every member is as likely as another.
    mutating func pick(_ count: Int, where isWanted: (SwimMember) -> Bool) -> [NodeID] {
        guard !members.isEmpty else { return [] }
        var stride = 1 + draw(members.count)
        while !Self.isCoprime(stride, members.count) { stride = 1 + draw(members.count) }
        var place = draw(members.count)
        var picked: [NodeID] = []
        for _ in members.indices where picked.count < count {
            if isWanted(members[place]) { picked.append(members[place].id) }
            place = (place + stride) % members.count
        }
        return picked
    }

    private static func isCoprime(_ left: Int, _ right: Int) -> Bool {
        var (left, right) = (left, right)
        while right != 0 { (left, right) = (right, left % right) }
        return left == 1
    }

    mutating func nextSequence() -> UInt64 {
        sequence += 1
        return sequence
    }

    /// What must always hold; the simulations ask after every step.
    public func checkInvariants() -> String? {
        for (left, right) in zip(members, members.dropFirst()) where left.id >= right.id {
            return "members out of order"
        }
        for member in members {
            if member.id == id { return "a node watches itself" }
            if (member.suspicion != nil) != (member.state == .suspect) { return "suspicion without suspect" }
            if member.factsVersion > member.version { return "facts of the future" }
            if let suspicion = member.suspicion, !(1...SwimConstants.accusersMax).contains(suspicion.accusers.count) {
                return "\(suspicion.accusers.count) accusers"
            }
        }
        if order.sorted() != members.map(\.id) { return "the pass does not hold every member once" }
        if !(0...order.count).contains(orderIndex) { return "the pass is beyond its end" }
        if !(0...SwimConstants.healthMax).contains(health) { return "health \(health)" }
        if probes.count > members.count { return "more probes than members" }
        if relays.count > SwimConstants.relaysMax { return "too many relays" }
        if !rumours.isEverySubject({ $0 == id || index(of: $0) != nil }) { return "a rumour about a stranger" }
        if suspects.sorted() != members.filter({ $0.state == .suspect }).map(\.id) { return "suspects miscounted" }
        if deadCount != members.count(where: { $0.state == .dead }) { return "\(deadCount) dead miscounted" }
        return nil
    }
}
