import Codec
@_spi(Simulation) import Mesh

/// What must hold after every step of a gossiping mesh.
public struct SwimChecker {
    /// In the order in which they were seen.
    public private(set) var violations: [String] = []
    /// The longest datagram.
    public private(set) var datagramBytesMax = 0
    /// In a small mesh everything is looked at after each step; in a large one what the step touched, and of so many steps
    /// one in full.
    private let isSmall: Bool
    private let interval: Int
    private let sendsMax: Int
    private var stepCount = 0
    private var messageCount = 0
    private var isFull = false
    /// What was known, before a step, of those that it may touch.
    private var known: [(NodeID, SwimMember)] = []
    /// What a node was accused in, by words that it has to believe: it must speak in a greater version after the step.
    private var accusedIn: SwimVersion?
    /// How often each core sent each rumour.
    private var sends: [Sending: Int] = [:]

    /// When each watched node last probed each other one; nil while nobody watches.
    private var probed: [Pair: Instant]?
    private var watchedSince = Instant.zero
    private var gap: String?

    private struct Pair: Hashable {
        let prober: NodeID
        let target: NodeID
    }

    private struct Sending: Hashable {
        let core: NodeID
        let generation: UInt64
        let rumour: SwimRumour
    }

    init(nodeCount: Int) {
        isSmall = nodeCount <= 64
        interval = 1 + nodeCount * nodeCount / 4_000
        var digits = 0
        var size = nodeCount
        while size > 0 {
            digits += 1
            size /= 10
        }
        sendsMax = SwimConstants.rumourSendsPerDigit * digits + SwimConstants.rumourSendsMore
    }

    mutating func broken(_ what: String, _ now: Instant) {
        if violations.count < 100 { violations.append("\(now.nanoseconds): \(what)") }
    }

    // MARK: Steps

    mutating func before(_ input: SwimInput, _ node: SwimSimulation.Node) {
        guard let core = node.core else { return }
        stepCount += 1
        isFull = stepCount % interval == 0
        known.removeAll(keepingCapacity: true)
        accusedIn = Self.accusation(in: input, of: core)
        if isSmall {
            for id in core.memberIDs { remember(id, core) }
        } else if case .received(let sender, let message, _) = input {
            remember(sender, core)
            for rumour in message.rumours { remember(rumour.subject, core) }
        }
    }

    /// The greatest version in which this message, if it is honest, rightly asks a node to object.
    private static func accusation(in input: SwimInput, of core: SwimCore) -> SwimVersion? {
        guard case .received(_, let message, _) = input else { return nil }
        var greatest: SwimVersion?
        for rumour in message.rumours where rumour.subject == core.id {
            guard case .state(let word, _) = rumour, word.state == .suspect,
                word.author != core.id, word.version.isOfLife(of: core.version),
                word.version.incarnation <= core.version.incarnation + SwimConstants.incarnationJumpMax
            else { continue }
            greatest = max(greatest ?? word.version, word.version)
        }
        // Last, because most messages accuse somebody else, and this looks at every signature.
        guard greatest != nil, core.isSigning, core.state(of: core.id) == .alive,
            message.rumours.allSatisfy(\.isGenuine)
        else { return nil }
        return greatest
    }

    private mutating func remember(_ id: NodeID, _ core: SwimCore) {
        if let member = core.member(id) { known.append((id, member)) }
    }

    mutating func after(_ node: SwimSimulation.Node, _ nodes: [SwimSimulation.Node], _ now: Instant) {
        guard let core = node.core else { return }
        if isSmall || isFull, let flaw = core.checkInvariants() { broken("\(core.id): \(flaw)", now) }
        // What is taken for a second process with the same key.
        if core.overtaken >= 8 { broken("\(core.id) hears of a second one of itself", now) }
        if let accusedIn, core.version <= accusedIn { broken("\(core.id) does not object to what it hears", now) }
        for (id, old) in known {
            guard let new = core.member(id) else { continue }
            if new.version < old.version { broken("\(core.id): the version of \(id) went back", now) }
            let isSameLife = new.version.isOfLife(of: old.version)
            if isSameLife, old.state == .dead || old.state == .left, new.state != old.state {
                broken("\(core.id): \(id) changed after its end", now)
            }
            if isSameLife, old.state == .alive, new.state == .dead, !old.isUnheard {
                broken("\(core.id): \(id) died without a suspicion", now)
            }
            if new.factsVersion < old.factsVersion { broken("\(core.id): the facts of \(id) went back", now) }
            if new.version > nodes[SwimSimulation.number(id)].truth {
                broken("\(core.id): \(id) is seen in a version it never had", now)
            }
        }
    }

    // MARK: Probes

    mutating func watchProbes(from now: Instant) {
        probed = [:]
        watchedSince = now
    }

    /// A pass of up to 9 members is one round; where a probe is under way anyway, the next one is left out.
    private static let probeGapMax = SwimConstants.probeInterval * 4

    private mutating func noteProbe(by prober: NodeID, of target: NodeID, _ now: Instant) {
        guard let last = probed?[Pair(prober: prober, target: target)] ?? probed.map({ _ in watchedSince }) else {
            return
        }
        if now - last > Self.probeGapMax {
            gap = "\(prober) did not probe \(target) for \((now - last).milliseconds) ms"
        }
        probed?[Pair(prober: prober, target: target)] = now
    }

    func unprobed(_ running: [Int], _ now: Instant) -> String? {
        if let gap { return gap }
        for prober in running.map(SwimSimulation.id) {
            for target in running.map(SwimSimulation.id) where target != prober {
                let last = probed?[Pair(prober: prober, target: target)] ?? watchedSince
                if now - last > Self.probeGapMax { return "\(prober) does not probe \(target)" }
            }
        }
        return nil
    }

    // MARK: Messages

    /// Returns its encoded bytes.
    mutating func sent(
        _ message: SwimMessage, from node: SwimSimulation.Node, to peer: NodeID, over path: SwimPath, _ now: Instant
    ) -> Int {
        messageCount += 1
        var byteCount = message.byteCount
        if isSmall || messageCount % interval == 0 { byteCount = checkEncoding(message, now) }
        if path == .datagram {
            datagramBytesMax = max(datagramBytesMax, byteCount)
            if byteCount > SwimConstants.messageBytesMax { broken("a datagram of \(byteCount) bytes", now) }
        }
        guard isSmall, let core = node.core, path == .datagram else { return byteCount }
        // The dead are tried again at random.
        if case .ping = message.kind, core.state(of: peer) == .alive { noteProbe(by: core.id, of: peer, now) }
        // In a step it may have been heard, answered, and suspected again: then it is so in another version.
        let wasSuspect = known.contains {
            $0.0 == peer && $0.1.state == .suspect && $0.1.version == core.member(peer)?.version
        }
        if wasSuspect, core.state(of: peer) == .suspect, !message.rumours.contains(where: { $0.subject == peer }),
            core.canProve(peer)
        {
            broken("\(core.id): \(peer) is not told that it is suspected", now)
        }
        for rumour in message.rumours where rumour.subject != peer && core.state(of: core.id) != .left {
            let sending = Sending(core: core.id, generation: node.generation, rumour: rumour)
            sends[sending, default: 0] += 1
            if sends[sending] ?? 0 > sendsMax {
                broken("\(core.id): a rumour about \(rumour.subject) is sent more than \(sendsMax) times", now)
            }
        }
        return byteCount
    }

    private mutating func checkEncoding(_ message: SwimMessage, _ now: Instant) -> Int {
        let bytes = message.encoded()
        if bytes.count > message.byteCount { broken("\(bytes.count) bytes, counted as \(message.byteCount)", now) }
        do {
            let copy = try SwimMessage(encoded: bytes)
            if copy != message, message.rumours.allSatisfy(\.isSigned), !message.isUnsignedComparison {
                broken("a message changed in its encoding: \(message)", now)
            }
        } catch {
            broken("\(error.message): \(message)", now)
        }
        return bytes.count
    }
}

extension SwimVersion {
    fileprivate func isOfLife(of other: SwimVersion) -> Bool {
        (generation, renewal) == (other.generation, other.renewal)
    }
}

extension SwimRumour {
    /// Signed by those who it says said it.
    fileprivate var isGenuine: Bool {
        switch self {
        case .state(let word, let also):
            ([word] + also).allSatisfy { word in
                SwimSeal.isGenuine(
                    word.signature,
                    SwimStatement(
                        author: word.author, subject: word.subject, version: word.version, content: .state(word.state)))
            }
        case .facts(let facts):
            SwimSeal.isGenuine(
                facts.signature,
                SwimStatement(
                    author: facts.subject, subject: facts.subject, version: facts.version, content: .facts(facts.bytes))
            )
        }
    }
}

extension SwimMessage {
    /// Speaks as programs do that know no signatures, and loses what they do not know.
    fileprivate var isUnsignedComparison: Bool {
        switch kind {
        case .sync(_, let buckets, _), .syncReply(_, let buckets, _): buckets.isEmpty
        default: false
        }
    }
}
