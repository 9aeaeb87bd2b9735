import Codec

// Suspects: who accuses them, how long they have, and when they are dead.
extension SwimCore {
    /// This node did not hear the member.
    mutating func accuse(_ subject: NodeID, at now: Instant, into effects: inout [SwimEffect]) {
        guard let index = table.index(of: subject), !table[index].state.isFinal else { return }
        var accused = table[index].version
        if faults.contains(.accusesAhead) { accused.incarnation += 1 }
        if accused == table[index].version, let suspicion = suspicions[subject] {
            guard suspicion.words.count < SwimConstants.accusersMax,
                !suspicion.words.contains(where: { $0.author == id })
            else { return }
            confirm(word(on: subject, version: accused, state: .suspect))
        } else {
            let words = [word(on: subject, version: accused, state: .suspect)]
            suspect(Suspicion(startedAt: now, words: words), accused, at: index, now: now, into: &effects)
            // Its objection should not be later than it must.
            sendBare(.gossip, to: subject, over: .stream, into: &effects)
        }
    }

    /// A suspicion begins, or begins again in a later incarnation.
    mutating func suspect(
        _ suspicion: Suspicion, _ version: SwimVersion, at index: Int, now: Instant, into effects: inout [SwimEffect]
    ) {
        let subject = table.ids[index]
        suspicions[subject] = suspicion
        accept(.suspect, version, nil, at: index, now: now, into: &effects)
        awaitVerdict(on: subject)
        if suspicion.accuser != id, draw(table.count) < SwimConstants.confirmersWanted {
            probe(subject, isUrgent: true, at: now, into: &effects)
        }
    }

    /// One more accuser of a suspect that is known.
    mutating func confirm(_ word: SwimWord) {
        suspicions[word.subject]?.words.append(word)
        awaitVerdict(on: word.subject)
        // What a sentence says already is not said again.
        if suspicions[word.subject]?.sentence == nil { rumours.add(RumourQueue.Topic(word.subject)) }
    }

    mutating func awaitVerdict(on subject: NodeID) {
        guard let suspicion = suspicions[subject] else { return }
        verdicts.add(subject, due: nextStep(of: suspicion))
        // Members that are suspected again and again leave entries behind, which must not outgrow the others.
        if verdicts.count > SwimConstants.accusersMax * 2 * suspicions.count + 64 { awaitVerdicts() }
    }

    /// All suspicions have another time.
    mutating func awaitVerdicts() {
        verdicts.removeAll()
        for (subject, suspicion) in suspicions { verdicts.add(subject, due: nextStep(of: suspicion)) }
    }

    /// When a suspect is called, or its time is over.
    ///
    /// Where none has passed sentence yet, nobody does by hearsay: it has called the suspect itself, and waited.
    func nextStep(of suspicion: Suspicion) -> Instant {
        let end = deadline(of: suspicion)
        guard suspicion.sentence == nil else { return end }
        guard let calledAt = suspicion.calledAt else {
            return max(end - SwimConstants.lastCallTime, suspicion.startedAt)
        }
        guard suspicion.calls >= SwimConstants.lastCalls else {
            return calledAt + SwimConstants.lastCallTime / Int64(SwimConstants.lastCalls) * Int64(suspicion.calls)
        }
        // Its own probe has failed already.
        if suspicion.words.contains(where: { $0.author == id }) { return end }
        return max(end, calledAt + SwimConstants.lastCallTime)
    }

    /// Calls a suspect that it would sentence soon.
    private mutating func call(_ subject: NodeID, at now: Instant, into effects: inout [SwimEffect]) {
        guard let calls = suspicions[subject]?.calls else { return }
        let number = nextSequence()
        sendBare(.ping(number), to: subject, into: &effects)
        if calls == 0 {
            suspicions[subject]?.calledAt = now
            sendBare(.ping(number), to: subject, over: .stream, into: &effects)
        }
        suspicions[subject]?.calls = calls + 1
        awaitVerdict(on: subject)
    }

    /// Suspects whose time is over are dead.
    mutating func buryOverdue(at now: Instant, into effects: inout [SwimEffect]) {
        while let subject = verdicts.takeDue(at: now) {
            // It may have spoken since, or be suspected anew.
            guard let index = table.index(of: subject), let suspicion = suspicions[subject],
                nextStep(of: suspicion) <= now
            else { continue }
            if suspicion.sentence == nil, suspicion.calls < SwimConstants.lastCalls, !isLeaving {
                call(subject, at: now, into: &effects)
                continue
            }
            let version = table[index].version
            let sentence = suspicion.sentence ?? word(on: subject, version: version, state: .dead)
            accept(.dead, version, sentence, at: index, now: now, into: &effects)
        }
    }

    /// From the longest time with one accuser to the shortest with all that are wanted (Lifeguard, section IV-B).
    func deadline(of suspicion: Suspicion) -> Instant {
        // The suspect and the first accuser cannot confirm.
        let wanted = min(SwimConstants.confirmationsMax, otherCount - 1)
        let shortest = suspicionMin
        guard wanted >= 1, suspicion.sentence == nil else { return suspicion.startedAt + shortest }
        let longest = shortest * SwimConstants.suspicionMaxFactor
        let confirmations = min(suspicion.words.count - 1, wanted)
        let progress = SwimConstants.suspicionProgress[wanted - 1][confirmations]
        return suspicion.startedAt + longest - (longest - shortest) * progress / 1000
    }

    var suspicionMin: Interval { SwimConstants.suspicionMin * growth }

    /// 1 up to 20 members, one more for each factor of 10.
    private var growth: Int64 {
        var growth: Int64 = 1
        var size = otherCount
        while size > SwimConstants.smallMeshMax {
            growth += 1
            size /= 10
        }
        return growth
    }
}
