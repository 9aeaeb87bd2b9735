import Codec

// What is heard: which word wins, suspicion and death, and passing it on.
extension SwimCore {
    mutating func receive(
        _ message: SwimMessage, from sender: NodeID, over path: SwimPath, at now: Instant,
        into effects: inout [SwimEffect]
    ) {
        // Strangers are not listened to: they are no members yet, or no longer.
        guard index(of: sender) != nil else { return }
        let wasFinal = member(sender)?.state.isFinal == true
        learn(SwimRumour(subject: sender, version: message.version, state: .alive), at: now, into: &effects)
        for rumour in message.rumours where rumour.subject == sender || isBelievable(rumour) {
            learn(rumour, at: now, into: &effects)
        }
        guard !isLeaving else {
            // A goodbye is repeated to whoever still asks.
            if case .ping = message.kind { send(.gossip, to: sender, over: path, into: &effects) }
            return
        }
        switch message.kind {
        case .ping(let number): send(.ack(number), to: sender, over: path, into: &effects)
        case .ack(let number): acknowledged(number, by: sender, at: now, into: &effects)
        case .pingRequest(let number, let target):
            asked(number, probe: target, by: sender, at: now, into: &effects)
        case .nack(let number): notHeard(number, by: sender)
        case .gossip: break
        case .sync(let digests):
            reply(.syncReply(self.digests), to: sender, newerThan: digests, into: &effects)
        case .syncReply(let digests): reply(.gossip, to: sender, newerThan: digests, into: &effects)
        }
        if wasFinal, member(sender)?.state == .alive {
            // It comes back from elsewhere: much may have happened on both sides.
            send(.sync(self.digests), to: sender, over: .stream, into: &effects)
        }
    }

    /// Whether others may tell this: a number far beyond what is known would leave its subject no room (memberlist#358).
    private func isBelievable(_ rumour: SwimRumour) -> Bool {
        let known = rumour.subject == id ? version : member(rumour.subject)?.version ?? .unheard
        guard known != .unheard, rumour.version.life == known.life else { return true }
        return rumour.version.incarnation <= known.incarnation + SwimConstants.incarnationJumpMax
    }

    /// Takes in one rumour, or leaves it, by the order of versions.
    mutating func learn(_ rumour: SwimRumour, at now: Instant, into effects: inout [SwimEffect]) {
        if rumour.subject == id { return answer(rumour) }
        guard let index = index(of: rumour.subject) else { return }
        let known = members[index]
        let isNewLife = rumour.version.life > known.version.life
        guard isNewLife || rumour.version.life == known.version.life && !known.state.isFinal else { return }
        if rumour.state == .dead, !mayBelieveDeath(of: known, at: now) {
            return doubtDeath(rumour, at: index, now: now, into: &effects)
        }
        if rumour.state.isFinal || isNewLife || rumour.version > known.version {
            take(rumour, at: index, now: now, into: &effects)
        } else if rumour.version == known.version {
            switch (rumour.state, known.state) {
            case (.suspect, .alive): take(rumour, at: index, now: now, into: &effects)
            case (.suspect, .suspect): confirm(rumour, at: index)
            case (.alive, _): takeFacts(rumour, at: index, now: now, into: &effects)
            default: break
            }
        }
    }

    /// A death is believed of a member that was never heard, or that has been given the shortest time to object here too:
    /// one process that hangs takes everyone for dead, and must not be believed.
    private func mayBelieveDeath(of known: SwimMember, at now: Instant) -> Bool {
        guard known.version != .unheard else { return true }
        return known.suspicion.map { now - $0.startedAt >= suspicionMin } ?? false
    }

    /// Takes a death for a suspicion whose time is short.
    private mutating func doubtDeath(
        _ rumour: SwimRumour, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) {
        if members[index].state != .suspect || rumour.version > members[index].version {
            var accusation = rumour
            accusation.state = .suspect
            take(accusation, at: index, now: now, into: &effects)
        }
        members[index].suspicion?.isSentenced = true
    }

    /// The rumour becomes what is known.
    private mutating func take(
        _ rumour: SwimRumour, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) {
        let before = members[index]
        members[index].version = max(before.version, rumour.version)
        members[index].state = rumour.state
        members[index].suspicion = nil
        if rumour.state == .suspect {
            // An accusation without a name counts as that of nobody in particular: the subject's own number.
            let accusers = rumour.accusers.isEmpty ? [rumour.subject] : rumour.accusers
            members[index].suspicion = SwimMember.Suspicion(
                startedAt: now, accusers: Array(accusers.prefix(SwimConstants.accusersMax)))
        }
        if rumour.state.isFinal { probes.removeAll { $0.target == rumour.subject } }
        count(rumour.subject, from: before.state, to: rumour.state)
        let after = members[index]
        tell(of: after, after: before, at: now, into: &effects)
        takeFacts(rumour, at: index, now: now, into: &effects)
        rumours.add(rumour.subject)
        if rumour.state == .suspect, !rumour.accusers.contains(id),
            draw(members.count) < SwimConstants.confirmersWanted
        {
            probe(rumour.subject, isUrgent: true, at: now, into: &effects)
        }
    }

    /// Says what has changed in how a member is seen; every incarnation would be noise.
    private func tell(
        of member: SwimMember, after before: SwimMember, at now: Instant, into effects: inout [SwimEffect]
    ) {
        let isNewLife = member.version.life > before.version.life
        guard member.state != before.state || isNewLife else { return }
        switch member.state {
        case .alive: happened(isNewLife ? .joined : .alive, to: member, at: now, into: &effects)
        case .suspect:
            let accuser = member.suspicion?.accusers.first ?? member.id
            happened(.suspected(by: accuser), to: member, at: now, into: &effects)
        case .dead: happened(.died, to: member, at: now, into: &effects)
        case .left: happened(.left, to: member, at: now, into: &effects)
        }
    }

    /// More accusers of a suspect that is known.
    private mutating func confirm(_ rumour: SwimRumour, at index: Int) {
        guard var suspicion = members[index].suspicion else { return }
        for accuser in rumour.accusers where !suspicion.accusers.contains(accuser) {
            guard suspicion.accusers.count < SwimConstants.accusersMax else { break }
            suspicion.accusers.append(accuser)
            rumours.add(rumour.subject)
        }
        members[index].suspicion = suspicion
    }

    private mutating func takeFacts(
        _ rumour: SwimRumour, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) {
        guard rumour.state == .alive, let facts = rumour.facts, rumour.version > members[index].factsVersion else {
            return
        }
        members[index].facts = facts
        members[index].factsVersion = rumour.version
        rumours.add(rumour.subject)
        happened(.facts(facts), to: members[index], at: now, into: &effects)
    }

    /// What others say of this node: a suspicion is answered by a higher incarnation, a death by a new life.
    private mutating func answer(_ rumour: SwimRumour) {
        // Who leaves lets them think what they like.
        guard !isLeaving, rumour.version.life >= version.life else { return }
        if rumour.version.life > version.life || rumour.state.isFinal {
            renew(above: rumour.version)
        } else if rumour.state == .suspect, rumour.version.incarnation >= version.incarnation {
            raiseIncarnation(above: rumour.version.incarnation)
            // To be accused wrongly is a sign of answering late (Lifeguard).
            health = min(health + 1, SwimConstants.healthMax)
        } else if rumour.version.incarnation > version.incarnation {
            raiseIncarnation(above: rumour.version.incarnation)
        }
    }

    // MARK: Death

    /// Suspects whose time is over are dead.
    mutating func buryOverdue(at now: Instant, into effects: inout [SwimEffect]) {
        for suspect in suspects {
            guard let member = member(suspect), let suspicion = member.suspicion, deadline(of: suspicion) <= now
            else { continue }
            let death = SwimRumour(subject: member.id, version: member.version, state: .dead)
            if let index = index(of: suspect) { take(death, at: index, now: now, into: &effects) }
        }
    }

    /// From the longest time with one accuser to the shortest with all that are wanted (Lifeguard, section IV-B).
    func deadline(of suspicion: SwimMember.Suspicion) -> Instant {
        // The suspect and the first accuser cannot confirm.
        let wanted = min(SwimConstants.confirmationsMax, members.count - 1)
        let shortest = suspicionMin
        guard wanted >= 1, !suspicion.isSentenced else { return suspicion.startedAt + shortest }
        let longest = shortest * SwimConstants.suspicionMaxFactor
        let confirmations = min(suspicion.accusers.count - 1, wanted)
        let progress = SwimConstants.suspicionProgress[wanted - 1][confirmations]
        return suspicion.startedAt + longest - (longest - shortest) * progress / 1000
    }

    private var suspicionMin: Interval { SwimConstants.suspicionMin * growth }

    /// 1 up to 10 members, one more for each factor of 10.
    private var growth: Int64 {
        var growth: Int64 = 1
        var size = members.count
        while size > 10 * 2 {
            growth += 1
            size /= 10
        }
        return growth
    }

    // MARK: Passing on

    /// Sends rumours to a few members when it is time.
    mutating func gossip(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextGossip <= now, !rumours.isEmpty else { return }
        nextGossip = now + SwimConstants.gossipInterval
        for peer in pick(SwimConstants.gossipFanout, where: { !$0.state.isFinal }) {
            guard !rumours.isEmpty else { return }
            send(.gossip, to: peer, into: &effects)
        }
    }

    /// Compares everything with one member when it is time, for what rumours missed.
    mutating func compare(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextSync <= now else { return }
        nextSync = now + SwimConstants.syncInterval * syncScale + delay(upTo: SwimConstants.probeInterval)
        for peer in pick(1, where: { $0.state == .alive }) {
            send(.sync(digests), to: peer, over: .stream, into: &effects)
        }
    }

    /// 1, and in a large mesh one more for each doubling, so that all comparisons together grow little faster than it.
    private var syncScale: Int64 {
        var scale: Int64 = 1
        var size = members.count
        while size > SwimConstants.syncScaleThreshold {
            scale += 1
            size /= 2
        }
        return scale
    }

    var digests: [SwimMessage.Digest] {
        [SwimMessage.Digest(subject: id, version: version, state: isLeaving ? .left : .alive, hasFacts: true)]
            + members.map(\.digest)
    }

    /// Answers a comparison with what is newer here.
    private mutating func reply(
        _ kind: SwimMessage.Kind, to peer: NodeID, newerThan theirs: [SwimMessage.Digest],
        into effects: inout [SwimEffect]
    ) {
        let sorted = theirs.sorted { $0.subject < $1.subject }
        var reply = message(kind, to: peer)
        var bytesLeft = SwimConstants.syncBytesMax
        for rumour in [ownRumour] + members.map(\.rumour) {
            guard reply.rumours.count < SwimConstants.rumoursMax, rumour.byteCountMax <= bytesLeft else { break }
            let their = Self.find(rumour.subject, in: sorted)
            guard rumour.version != .unheard, their.map({ Self.isNewer(rumour, than: $0) }) ?? true else { continue }
            bytesLeft -= rumour.byteCountMax
            reply.rumours.append(rumour)
        }
        if kind == .gossip, reply.rumours.isEmpty { return }
        effects.append(.send(peer, reply, over: .stream))
    }

    private static func find(_ subject: NodeID, in digests: [SwimMessage.Digest]) -> SwimMessage.Digest? {
        var low = 0
        var high = digests.count
        while low < high {
            let middle = (low + high) / 2
            if digests[middle].subject < subject { low = middle + 1 } else { high = middle }
        }
        return low < digests.count && digests[low].subject == subject ? digests[low] : nil
    }

    /// Whether the receiver of a digest would learn something from the rumour.
    private static func isNewer(_ rumour: SwimRumour, than digest: SwimMessage.Digest) -> Bool {
        if rumour.version.life != digest.version.life { return rumour.version.life > digest.version.life }
        if digest.state.isFinal { return false }
        if rumour.state.isFinal { return true }
        if rumour.version != digest.version { return rumour.version > digest.version }
        return rumour.state == .suspect && digest.state == .alive || rumour.facts != nil && !digest.hasFacts
    }
}
