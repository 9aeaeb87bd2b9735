import Codec

// Probes: rounds, helpers, and what silence leads to.
extension SwimCore {
    /// One probe of one member.
    struct Probe: Hashable, Sendable {
        let target: NodeID
        let number: UInt64
        let sentAt: Instant
        /// When helpers are asked; nil once they were.
        var helpersDue: Instant?
        /// When the target is asked again; nil before helpers were asked.
        var nextTryDue: Instant?
        /// A later answer is late, though this node may wait for it.
        let usualTime: Interval
        var deadline: Instant
        /// Its time is over, and it waits on.
        var isOverdue = false
        var helpers: [NodeID] = []
        /// Helpers that are there and did not hear the target.
        var nacks: [NodeID] = []

        var nextDeadline: Instant { min(helpersDue ?? nextTryDue ?? deadline, deadline) }

        /// Its time is over; where answers come late, it waits on without asking again.
        mutating func wait(until instant: Instant) {
            deadline = instant
            isOverdue = true
            helpersDue = nil
            nextTryDue = nil
        }

        mutating func postpone(by interval: Interval) {
            deadline = deadline + interval
            helpersDue = helpersDue.map { $0 + interval }
            nextTryDue = nextTryDue.map { $0 + interval }
        }
    }

    /// A probe made for another member.
    struct Relay: Hashable, Sendable {
        let asker: NodeID
        /// The asker's number.
        let askerNumber: UInt64
        let target: NodeID
        /// This node's own number.
        let number: UInt64
        /// When the target is asked once more; nil once it was.
        var nextTryDue: Instant?
        var deadline: Instant

        var nextDeadline: Instant { min(nextTryDue ?? deadline, deadline) }

        mutating func postpone(by interval: Interval) {
            deadline = deadline + interval
            nextTryDue = nextTryDue.map { $0 + interval }
        }
    }

    /// Begins the probes of a round when one is due.
    mutating func beginRound(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextProbe <= now, otherCount > 0 else { return }
        // Who may be the slow one itself probes less often (Lifeguard, section IV-A).
        let interval = SwimConstants.probeInterval * (1 + health)
        nextProbe = max(nextProbe + interval, now + interval / 2)
        let most = SwimConstants.probesPerRoundMax
        let wanted = min(otherCount, most, max(most * most / otherCount, SwimConstants.probesPerRoundMin))
        var begun = probes.count { $0.isOverdue } < SwimConstants.overdueProbesMax ? 0 : wanted
        for _ in table.ids.indices {
            if begun == wanted { break }
            guard let target = nextTarget(), let member = member(target), !member.state.isFinal,
                !probes.contains(where: { $0.target == target })
            else { continue }
            probe(target, isUrgent: false, at: now, into: &effects)
            begun += 1
        }
    }

    private mutating func nextTarget() -> NodeID? {
        if faults.contains(.probesAtRandom) { return table.ids[draw(table.count)] }
        return order.next(table.ids, &generator)
    }

    /// Probes one member; with urgency helpers are asked at once.
    mutating func probe(_ target: NodeID, isUrgent: Bool, at now: Instant, into effects: inout [SwimEffect]) {
        guard !isLeaving else { return }
        if let index = probes.firstIndex(where: { $0.target == target }) {
            if isUrgent, probes[index].helpersDue != nil { askHelpers(index, at: now, into: &effects) }
            return
        }
        let patience = 1 + health
        let number = nextSequence()
        let direct = directTimeout(of: target)
        let usualTime = max(SwimConstants.probeTimeout, direct * 3)
        probes.append(
            Probe(
                target: target, number: number, sentAt: now, helpersDue: now + direct * patience,
                usualTime: usualTime, deadline: now + usualTime * patience))
        send(.ping(number), to: target, into: &effects)
        if isUrgent { askHelpers(probes.count - 1, at: now, into: &effects) }
    }

    private func directTimeout(of target: NodeID) -> Interval {
        guard let patience = member(target)?.roundTrip?.patience else { return SwimConstants.directTimeout }
        return min(max(patience, SwimConstants.directTimeoutMin), SwimConstants.directTimeoutMax)
    }

    private mutating func askHelpers(_ index: Int, at now: Instant, into effects: inout [SwimEffect]) {
        probes[index].helpersDue = nil
        probes[index].nextTryDue = now + SwimConstants.tryInterval * (1 + health)
        let (target, number) = (probes[index].target, probes[index].number)
        let helpers = Array(
            pick(SwimConstants.helperCount + 1) { $0.state == .alive }.filter { $0 != target }.prefix(
                faults.contains(.noHelpers) ? 0 : SwimConstants.helperCount))
        probes[index].helpers = helpers
        for helper in helpers {
            send(.pingRequest(number, target: target), to: helper, into: &effects)
        }
        // Of two datagrams that may be lost one is more likely to arrive.
        if probes[index].sentAt < now { sendBare(.ping(number), to: target, into: &effects) }
        // Where a firewall or a small MTU eats datagrams, the session may still be there (memberlist's TCP fallback).
        sendBare(.ping(number), to: target, over: .stream, into: &effects)
    }

    /// Asks helpers where they are due and ends the probes whose time is over.
    mutating func advanceProbes(at now: Instant, into effects: inout [SwimEffect]) {
        for index in probes.indices {
            guard let due = probes[index].helpersDue, due <= now, probes[index].deadline > now else { continue }
            askHelpers(index, at: now, into: &effects)
        }
        for index in probes.indices {
            guard let due = probes[index].nextTryDue, due <= now, probes[index].deadline > now else { continue }
            probes[index].nextTryDue = now + SwimConstants.tryInterval * (1 + health)
            sendBare(.ping(probes[index].number), to: probes[index].target, into: &effects)
        }
        for probe in probes where probe.deadline <= now && !probe.isOverdue { failedOnce(probe, at: now) }
        for index in probes.indices where probes[index].deadline <= now {
            guard now < probes[index].sentAt + lateness.interval * 2 else { continue }
            probes[index].wait(until: now + SwimConstants.probeTimeout)
        }
        guard probes.contains(where: { $0.deadline <= now }) else { return }
        let failed = probes.filter { $0.deadline <= now }
        probes.removeAll { $0.deadline <= now }
        for probe in failed { accuse(probe.target, at: now, into: &effects) }
        unanswered = Array((unanswered + failed).suffix(SwimConstants.unansweredMax))
    }

    /// What a probe without an answer in its time says about this node.
    private mutating func failedOnce(_ probe: Probe, at now: Instant) {
        // Helpers that answer show that this node hears; where none does, the fault may be its own (Lifeguard).
        if probe.nacks.count < max(probe.helpers.count, 1) { health = min(health + 1, SwimConstants.healthMax) }
        guard probe.nacks.isEmpty, otherCount > SwimConstants.smallMeshMax else { return }
        lateness.heardNothing(for: now - probe.sentAt)
    }

    /// Tries once more for those who asked for help, and tells them that the target did not answer here either.
    mutating func answerAskers(at now: Instant, into effects: inout [SwimEffect]) {
        for index in relays.indices {
            guard let due = relays[index].nextTryDue, due <= now, relays[index].deadline > now else { continue }
            relays[index].nextTryDue = nil
            sendBare(.ping(relays[index].number), to: relays[index].target, into: &effects)
        }
        guard relays.contains(where: { $0.deadline <= now }) else { return }
        let silent = relays.filter { $0.deadline <= now }
        relays.removeAll { $0.deadline <= now }
        for relay in silent {
            send(.nack(relay.askerNumber), to: relay.asker, into: &effects)
        }
    }

    /// Tries one dead member again, so that a mesh that fell apart finds itself.
    mutating func retryDead(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextRetry <= now, !faults.contains(.forgetsTheDead) else { return }
        nextRetry = now + SwimConstants.retryInterval
        for dead in pick(1, where: { $0.state == .dead }) {
            // No probe waits for the answer: that it speaks is all that counts.
            sendBare(.ping(nextSequence()), to: dead, into: &effects)
        }
    }

    // MARK: Messages of probes

    mutating func asked(
        _ number: UInt64, probe target: NodeID, by asker: NodeID, at now: Instant, into effects: inout [SwimEffect]
    ) {
        guard target != id else {
            send(.ack(number), to: asker, into: &effects)
            return
        }
        guard table.index(of: target) != nil, relays.count < SwimConstants.relaysMax else { return }
        let own = nextSequence()
        relays.append(
            Relay(
                asker: asker, askerNumber: number, target: target, number: own,
                nextTryDue: now + SwimConstants.tryInterval, deadline: now + SwimConstants.helperTimeout))
        send(.ping(own), to: target, into: &effects)
    }

    mutating func acknowledged(
        _ number: UInt64, by sender: NodeID, at now: Instant, into effects: inout [SwimEffect]
    ) {
        if let index = relays.firstIndex(where: { $0.number == number && $0.target == sender }) {
            let relay = relays.remove(at: index)
            send(.ack(relay.askerNumber), to: relay.asker, into: &effects)
            return
        }
        let found = probes.firstIndex {
            $0.number == number && ($0.target == sender || $0.helpers.contains(sender))
        }
        guard let found else { return acknowledgedLate(number, by: sender, at: now) }
        let probe = probes.remove(at: found)
        measure(probe, answeredBy: sender, at: now)
        guard now - probe.sentAt <= probe.usualTime else { return lateness.heardLate(after: now - probe.sentAt) }
        health = max(health - 1, 0)
        lateness.heardInTime()
    }

    /// An answer to a probe that had failed.
    private mutating func acknowledgedLate(_ number: UInt64, by sender: NodeID, at now: Instant) {
        let found = unanswered.firstIndex {
            $0.number == number && ($0.target == sender || $0.helpers.contains(sender))
        }
        guard let found else { return }
        let probe = unanswered.remove(at: found)
        measure(probe, answeredBy: sender, at: now)
        lateness.heardLate(after: now - probe.sentAt)
    }

    private mutating func measure(_ probe: Probe, answeredBy sender: NodeID, at now: Instant) {
        guard sender == probe.target, let index = table.index(of: sender) else { return }
        let sample = now - probe.sentAt
        // With helpers asked it may be the answer to any of several tries. The first sample may be such a one, or too long,
        // for a member far away would never give another.
        guard let known = table[index].roundTrip else {
            table[index].roundTrip = RoundTrip(first: min(sample, SwimConstants.directTimeoutMax))
            return
        }
        guard probe.helpersDue != nil else { return }
        var trip = known
        trip.add(sample)
        table[index].roundTrip = trip
    }

    mutating func notHeard(_ number: UInt64, by helper: NodeID) {
        guard let index = probes.firstIndex(where: { $0.number == number && $0.helpers.contains(helper) }),
            !probes[index].nacks.contains(helper)
        else { return }
        probes[index].nacks.append(helper)
        if !probes[index].isOverdue { lateness.heardInTime() }
    }
}
