import Codec

// What is sent, chance, and what must hold.
extension SwimCore {
    /// A message with what the receiver should hear: first what is believed of itself, so that it can object.
    mutating func message(_ kind: SwimMessage.Kind, to peer: NodeID) -> SwimMessage {
        var carried = mostUrgent(for: peer)
        var bytesLeft = SwimConstants.rumourBytesMax
        if !faults.contains(.packetOverBudget) { bytesLeft -= carried.reduce(0) { $0 + $1.byteCount } }
        var queue = rumours
        rumours = RumourQueue()
        let isCrowded = queue.count > SwimConstants.rumoursCrowded
        queue.take(byteCountMax: bytesLeft, sendsMax: rumourSendsMax, appendingTo: &carried) {
            rumour(on: $0, isShort: isCrowded)
        }
        rumours = queue
        return SwimMessage(kind: kind, version: version, rumours: carried)
    }

    private func mostUrgent(for peer: NodeID) -> [SwimRumour] {
        var carried: [SwimRumour] = []
        if isLeaving, !faults.contains(.leavesSilently) { carried.append(.state(ownWord)) }
        if let index = table.index(of: peer), peer != id, table[index].state != .alive,
            !faults.contains(.suspectIsNotTold), let rumour = stateRumour(index)
        {
            carried.append(rumour)
        }
        return carried
    }

    /// Sends without the news that others wait for: to one that may be past hearing any.
    func sendBare(
        _ kind: SwimMessage.Kind, to peer: NodeID, over path: SwimPath = .datagram, into effects: inout [SwimEffect]
    ) {
        effects.append(
            .send(peer, SwimMessage(kind: kind, version: version, rumours: mostUrgent(for: peer)), over: path))
    }

    mutating func send(
        _ kind: SwimMessage.Kind, to peer: NodeID, over path: SwimPath = .datagram, into effects: inout [SwimEffect]
    ) {
        effects.append(.send(peer, message(kind, to: peer), over: path))
    }

    private func rumour(on topic: RumourQueue.Topic, isShort: Bool) -> SwimRumour? {
        guard let index = table.index(of: topic.subject) else { return nil }
        if isShort, !topic.isFacts, let newest = newestAccusation(of: index) { return .state(newest) }
        if !topic.isFacts { return stateRumour(index) }
        return table[index].said.flatMap { $0.isSigned == isSigning ? .facts($0) : nil }
    }

    /// Where hundreds are suspected at once only what is new of each is passed on: four signatures a suspicion would keep
    /// most of the others waiting. Who missed the earlier accusers has this one to begin with.
    private func newestAccusation(of index: Int) -> SwimWord? {
        guard table[index].state == .suspect, let suspicion = suspicions[table.ids[index]], suspicion.sentence == nil,
            let newest = suspicion.words.last, newest.isSigned == isSigning
        else { return nil }
        return newest
    }

    /// What can be passed on about a member; nil where nothing proves what is known of it.
    func stateRumour(_ index: Int) -> SwimRumour? {
        let member = table[index]
        guard member.state == .suspect else {
            return member.word.flatMap { $0.isSigned == isSigning ? .state($0) : nil }
        }
        guard let suspicion = suspicions[table.ids[index]] else { return nil }
        if let sentence = suspicion.sentence { return sentence.isSigned == isSigning ? .state(sentence) : nil }
        guard let first = suspicion.words.first, first.isSigned == isSigning else { return nil }
        return .state(first, also: Array(suspicion.words.dropFirst()))
    }

    /// Whether it holds what proves to others how it sees this member.
    public func canProve(_ id: NodeID) -> Bool {
        table.index(of: id).map { stateRumour($0) != nil } ?? false
    }

    func happened(
        _ kind: MembershipEvent.Kind, to id: NodeID, _ member: SwimMember, at now: Instant,
        into effects: inout [SwimEffect]
    ) {
        effects.append(.happened(MembershipEvent(instant: now, member: id, version: member.version, kind: kind)))
    }

    /// Logarithmic in the mesh: enough for a rumour to reach everyone (SWIM, section 4.1).
    public var rumourSendsMax: Int {
        if faults.contains(.rumoursNeverEnd) { return .max }
        var digits = 0
        var size = table.count
        while size > 0 {
            digits += 1
            size /= 10
        }
        return SwimConstants.rumourSendsPerDigit * digits + SwimConstants.rumourSendsMore
    }

    // MARK: Chance

    /// A number below `bound`.
    mutating func draw(_ bound: Int) -> Int { Int(generator.next() % UInt64(max(bound, 1))) }

    mutating func delay(upTo interval: Interval) -> Interval {
        Interval(nanoseconds: Int64(generator.next() % UInt64(max(interval.nanoseconds, 1))))
    }

    /// Up to `count` other members of this kind, in a random order: a walk through all members from a random place with a
    /// random stride, which ends when enough are found. Every member is as likely as another.
    mutating func pick(_ count: Int, where isWanted: (SwimMember) -> Bool) -> [NodeID] {
        guard table.count > 0 else { return [] }
        let stride = ProbeOrder.stride(table.count, &generator)
        var place = draw(table.count)
        var picked: [NodeID] = []
        for _ in 0..<table.count {
            if picked.count == count { break }
            if table.ids[place] != id, isWanted(table[place]) { picked.append(table.ids[place]) }
            place = (place + stride) % table.count
        }
        return picked
    }

    // MARK: Invariants

    /// What must always hold; the simulations ask after every step.
    public func checkInvariants() -> String? {
        for (left, right) in zip(table.ids, table.ids.dropFirst()) where left >= right { return "members out of order" }
        var suspects = 0
        for (index, id) in table.ids.enumerated() {
            if let flaw = flaw(of: id, table[index]) { return "\(id): \(flaw)" }
            if id != self.id, table[index].state == .suspect { suspects += 1 }
        }
        if suspects != suspicions.count { return "a suspicion without suspect" }
        if order.remaining > table.count { return "the pass is beyond its end" }
        if !(0...SwimConstants.healthMax).contains(health) { return "health \(health)" }
        if probes.count > otherCount { return "more probes than members" }
        if relays.count > SwimConstants.relaysMax { return "too many relays" }
        if !rumours.isEverySubject({ table.index(of: $0) != nil }) { return "a rumour about a stranger" }
        return nil
    }

    private func flaw(of id: NodeID, _ member: SwimMember) -> String? {
        if id == self.id { return member.version == version ? nil : "its own place is out of date" }
        if let word = member.word {
            if word.subject != id { return "a word about another" }
            if word.version > member.version { return "a word of the future" }
            if isSigning, word.isSigned, word.isAccusation != (member.state == .dead) { return "a word that says else" }
            if member.state == .suspect { return "a word beside a suspicion" }
        }
        if let said = member.said, said.subject != id { return "facts of another" }
        guard member.state == .suspect else { return nil }
        guard let suspicion = suspicions[id] else { return "suspect without suspicion" }
        if suspicion.startedAt == .distantFuture { return "a suspicion without end" }
        if nextStep(of: suspicion) < verdicts.next { return "a verdict that nobody waits for" }
        if suspicion.words.count > SwimConstants.accusersMax { return "\(suspicion.words.count) accusers" }
        if suspicion.words.contains(where: { $0.version != member.version }) { return "accused in another version" }
        if suspicion.words.isEmpty, suspicion.sentence == nil { return "a suspicion without reason" }
        if Set(suspicion.words.map(\.author)).count != suspicion.words.count { return "an accuser counted twice" }
        return nil
    }
}
