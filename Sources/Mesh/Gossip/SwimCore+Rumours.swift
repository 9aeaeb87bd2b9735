import Codec

// What is heard: which word wins, and whose is believed.
extension SwimCore {
    mutating func receive(
        _ message: SwimMessage, from sender: NodeID, over path: SwimPath, at now: Instant,
        into effects: inout [SwimEffect]
    ) {
        // Strangers are not listened to: they are no members yet, or no longer.
        guard sender != id, let index = table.index(of: sender) else { return }
        let wasFinal = table[index].state.isFinal
        hear(index, message.version, at: now, into: &effects)
        // An honest member passes on only what it has checked: of another nothing more is looked at.
        for rumour in message.rumours where !learn(rumour, at: now, into: &effects) { break }
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
        case .compare(let salt, let theirs, let rounds):
            compared(theirs, salt: salt, rounds: rounds, with: sender, into: &effects)
        case .sync(let theirs, let buckets, let rounds):
            reply(to: sender, newerThan: theirs, in: buckets, rounds: rounds, isFirst: true, into: &effects)
        case .syncReply(let theirs, let buckets, let rounds):
            reply(to: sender, newerThan: theirs, in: buckets, rounds: rounds, isFirst: false, into: &effects)
        }
        // It comes back from elsewhere: much may have happened on both sides.
        if wasFinal, member(sender)?.state == .alive { compare(with: sender, into: &effects) }
    }

    /// A member that speaks is alive in the version in which it speaks. That proves nothing to others.
    private mutating func hear(
        _ index: Int, _ spoken: SwimVersion, at now: Instant, into effects: inout [SwimEffect]
    ) {
        let known = table[index]
        let isNewLife = spoken.life > known.version.life && !faults.contains(.newLifeIgnored)
        guard isNewLife || spoken.life == known.version.life && !known.state.isFinal && spoken > known.version
        else { return }
        let subject = table.ids[index]
        let word = SwimWord(author: subject, subject: subject, version: spoken, state: .alive, signature: [])
        accept(.alive, spoken, isSigning ? nil : word, at: index, now: now, into: &effects)
    }

    /// Takes in one rumour, or leaves it. False where it was forged.
    mutating func learn(_ rumour: SwimRumour, at now: Instant, into effects: inout [SwimEffect]) -> Bool {
        switch rumour {
        case .facts(let facts): return learn(facts, at: now, into: &effects)
        case .state(let word, let also):
            echo(word)
            guard learn(word, at: now, into: &effects) else { return false }
            for other in also where !learn(other, at: now, into: &effects) { return false }
            return true
        }
    }

    // MARK: Words

    private mutating func learn(_ word: SwimWord, at now: Instant, into effects: inout [SwimEffect]) -> Bool {
        if word.subject == id { return answer(word) }
        guard let index = table.index(of: word.subject), isNews(word, at: index, now: now, into: &effects) else {
            return true
        }
        switch verdict(on: word) {
        case .genuine: admit(word, at: index, now: now, into: &effects)
        case .refused: break
        case .forged: return false
        }
        return true
    }

    /// Somebody repeats an accusation that is known here. Objections are told as often as ever: lives depend on them. A small
    /// mesh has few others to hear it from.
    private mutating func echo(_ word: SwimWord) {
        guard word.isAccusation, otherCount > SwimConstants.smallMeshMax, let index = table.index(of: word.subject),
            word.version == table[index].version, word.state == table[index].state
        else { return }
        rumours.heard(RumourQueue.Topic(word.subject), echoesMax: rumourSendsMax / 2)
    }

    private enum Verdict {
        case genuine
        case refused
        case forged
    }

    private mutating func verdict(on word: SwimWord) -> Verdict {
        if isSigning, word.isAccusation == (word.author == word.subject) {
            refused.presumed += 1
            return .refused
        }
        return verdict(on: word.signature, under: word.statement)
    }

    private mutating func verdict(on signature: [UInt8], under statement: SwimStatement) -> Verdict {
        if faults.contains(.believesForged) || !isSigning { return .genuine }
        guard !signature.isEmpty else {
            refused.unsigned += 1
            return faults.contains(.believesUnsigned) ? .genuine : .refused
        }
        guard let key = table.key(of: statement.author) else {
            refused.presumed += 1
            return .refused
        }
        guard seal.verify(signature, statement, key) else {
            refused.forged += 1
            return .forged
        }
        return .genuine
    }

    /// Whether a word, if it is genuine, says more than is known: the order of versions.
    private mutating func isNews(
        _ word: SwimWord, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) -> Bool {
        let known = table[index]
        let (said, mine) = (word.version, known.version)
        guard said.life == mine.life || faults.contains(.deadIsNotFinal) && said > mine else {
            guard said.life > mine.life else { return false }
            // Only the member itself begins a life. Who never heard it believes that it is dead.
            if word.isAccusation { return known.isUnheard && word.state == .dead && isWithinJump(said, of: .unheard) }
            return !faults.contains(.newLifeIgnored)
        }
        guard !known.state.isFinal || faults.contains(.deadIsNotFinal) else { return false }
        switch word.state {
        case .alive: return said > mine || said == mine && known.state == .alive && known.word == nil
        case .left: return true
        case .suspect, .dead:
            guard said >= mine else {
                // Its author has missed the objection, and for the author this life is over: the member has to know.
                if word.state == .dead, draw(table.count) < SwimConstants.confirmersWanted {
                    let message = SwimMessage(kind: .gossip, version: version, rumours: [.state(word)])
                    effects.append(.send(word.subject, message, over: .datagram))
                }
                return false
            }
            guard isWithinJump(said, of: mine) else { return false }
            guard said == mine, let suspicion = suspicions[word.subject] else { return true }
            if word.state == .dead { return suspicion.sentence == nil || mayBelieveDeath(of: index, at: now) }
            return suspicion.words.count < SwimConstants.accusersMax
                && (!suspicion.words.contains { $0.author == word.author } || faults.contains(.accuserConfirmsItself))
        }
    }

    /// What others tell may be only so much newer: a number far beyond what is known would leave its subject no room to
    /// object (memberlist#358).
    private mutating func isWithinJump(_ said: SwimVersion, of known: SwimVersion) -> Bool {
        let isWithin =
            known == .unheard
            ? said.incarnation <= SwimConstants.incarnationJumpMax && said.renewal <= SwimConstants.incarnationJumpMax
            : said.incarnation <= known.incarnation + SwimConstants.incarnationJumpMax
        if !isWithin { refused.farAhead += 1 }
        return isWithin || faults.contains(.noJumpCap)
    }

    private mutating func admit(
        _ word: SwimWord, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) {
        switch word.state {
        case .alive, .left: accept(word.state, word.version, word, at: index, now: now, into: &effects)
        case .suspect:
            if word.version == table[index].version, suspicions[word.subject] != nil {
                confirm(word)
            } else {
                suspect(Suspicion(startedAt: now, words: [word]), word.version, at: index, now: now, into: &effects)
            }
        case .dead:
            if mayBelieveDeath(of: index, at: now) {
                accept(.dead, word.version, word, at: index, now: now, into: &effects)
            } else if word.version == table[index].version, suspicions[word.subject] != nil {
                suspicions[word.subject]?.sentence = word
                awaitVerdict(on: word.subject)
                rumours.add(RumourQueue.Topic(word.subject))
            } else {
                let doubt = Suspicion(startedAt: now, words: [], sentence: word)
                suspect(doubt, word.version, at: index, now: now, into: &effects)
            }
        }
    }

    /// A death is believed of a member that was never heard, or that has been given the shortest time to object here too:
    /// one process that hangs takes everyone for dead, and must not be believed.
    private func mayBelieveDeath(of index: Int, at now: Instant) -> Bool {
        if table[index].isUnheard || faults.contains(.believesDeathAtOnce) { return true }
        return suspicions[table.ids[index]].map { now - $0.startedAt >= suspicionMin } ?? false
    }

    /// This becomes what is known.
    mutating func accept(
        _ state: MemberState, _ version: SwimVersion, _ word: SwimWord?, at index: Int, now: Instant,
        into effects: inout [SwimEffect]
    ) {
        let before = table[index]
        let told = before.state == .suspect && state.isFinal ? stateRumour(index) : nil
        let subject = table.ids[index]
        if version > before.version, state != .suspect || !faults.contains(.accusationKeepsVersion) {
            table[index].version = version
        }
        table[index].state = state
        table[index].word = word
        if state != .suspect { suspicions[subject] = nil }
        if state.isFinal { probes.removeAll { $0.target == subject } }
        count(from: before.state, to: state)
        tell(of: index, after: before, at: now, into: &effects)
        // A sentence that was passed on while it was doubted is no news when it is believed.
        guard told == nil || told != stateRumour(index) else { return }
        rumours.add(RumourQueue.Topic(subject), goesFirst: state == .alive && before.state == .suspect)
    }

    /// Says what has changed in how a member is seen; every incarnation would be noise.
    private func tell(
        of index: Int, after before: SwimMember, at now: Instant, into effects: inout [SwimEffect]
    ) {
        let (subject, member) = (table.ids[index], table[index])
        let isNewLife = member.version.life > before.version.life
        guard member.state != before.state || isNewLife else { return }
        let kind: MembershipEvent.Kind =
            switch member.state {
            case .alive: isNewLife ? .joined : .alive
            case .suspect: .suspected(by: suspicions[subject]?.accuser ?? subject)
            case .dead: .died
            case .left: .left
            }
        happened(kind, to: subject, member, at: now, into: &effects)
    }

    // MARK: Facts

    private mutating func learn(_ facts: SwimFacts, at now: Instant, into effects: inout [SwimEffect]) -> Bool {
        guard facts.subject != id, let index = table.index(of: facts.subject) else { return true }
        guard facts.version > table[index].said?.version ?? .unheard || faults.contains(.factsGoBack) else {
            return true
        }
        guard table[index].said != facts else { return true }
        // Without a signature a forged version would outlast all that its owner says later.
        guard isSigning || facts.version <= table[index].version else { return true }
        switch verdict(on: facts.signature, under: facts.statement) {
        case .genuine: break
        case .refused: return true
        case .forged: return false
        }
        table[index].said = facts
        rumours.add(RumourQueue.Topic(facts.subject, isFacts: true))
        happened(.facts(facts.bytes), to: facts.subject, table[index], at: now, into: &effects)
        return true
    }

    // MARK: What others say of this node

    /// A suspicion is answered by a higher incarnation, a death by a new life. False where the word was forged.
    private mutating func answer(_ word: SwimWord) -> Bool {
        // Who leaves lets them think what they like.
        guard !isLeaving, word.version.life >= version.life else { return true }
        let isOlder = word.version.life == version.life && word.version.incarnation < version.incarnation
        switch word.state {
        case .alive where word.version <= version && !faults.contains(.answersOwnWords): return true
        case .suspect where isOlder: return true
        default: break
        }
        if word.isAccusation {
            let reference = word.version.life == version.life ? version : .unheard
            guard isWithinJump(word.version, of: reference) else { return true }
        }
        switch verdict(on: word) {
        case .genuine: break
        case .refused: return true
        case .forged: return false
        }
        if isSigning, word.author == id, word.version > version { overtaken += 1 }
        if word.version.life > version.life || word.state.isFinal {
            renew(above: word.version)
        } else {
            let answersBelow = faults.contains(.answersBelow)
            raiseIncarnation(above: answersBelow ? version.incarnation : word.version.incarnation)
            // To be accused wrongly is a sign of answering late (Lifeguard).
            if word.state == .suspect { health = min(health + 1, SwimConstants.healthMax) }
        }
        return true
    }
}
