import Codec
import Mesh
import Raft
import Scheduler

/// A node of a mesh as one pure value: agreement, the replicated state, gossip, leases and the leader's duties.
///
/// It decides what is proposed, who is placed where, until when this host's attempts may run, and which of them start
/// and end. It never touches a clock, a socket, a disk or a process: the shell hands it what happened and does what
/// the effects say, in their order. What must hold after every step:
/// - an attempt is started only if the applied state gives it a place here, no supervisor has held it before, and the
///   lease lasts (`AttemptLedger`, `LeaseHolder`);
/// - the leader declares a node lost only after its lease and the margin have passed since it was last heard
///   (`LeaseGrants`);
/// - a proposal is repeated with the same request id until it is seen applied (`Proposals`).
public struct NodeCore: Sendable {
    public let id: NodeID
    public private(set) var raft: RaftCore
    public internal(set) var state: SchedulerState
    public internal(set) var swim: SwimCore
    /// The newest of what gossip came to know, for those who watch.
    public internal(set) var membership = MembershipLog()
    /// The index of the last entry applied to `state`.
    public internal(set) var appliedIndex: UInt64
    /// Until when this host's attempts may run, on the boot-time clock.
    public var leaseDeadline: Instant { lease.deadline }
    /// Whether the state is at least as new as this daemon.
    public var hasCaughtUp: Bool { lease.hasCaughtUp }
    /// Whether no supervisor of this host runs anything any more.
    public var isIdle: Bool { ledger.isIdle }
    /// When a leader was last known: `ps` says how old its view is.
    public private(set) var leaderHeard: Instant?
    /// Who led when a leader was last known. While none is, it may well lead on, and have lost a few packets to here.
    private var lastLeader: NodeID?

    /// Which levels of the protocol this program speaks.
    private let levels: ProtocolLevels
    let faults: NodeFaults
    var lease: LeaseHolder
    var grants: LeaseGrants
    var proposals: Proposals
    var reads: ReadBarriers
    var readService = ReadService()
    var ledger: AttemptLedger
    var duties = LeaderDuties()
    private var nextRaftRequest: UInt64 = 1
    private var requestIDs: RequestIDSource
    /// What the wall clock shows beyond this core's; nil before it was read.
    var wallClockOffset: Int64?
    var clocks = ClockWatch()
    var meshClock: MeshClock?
    var ownWords = OwnWords()
    /// Renewals up to this one told of the clock before it was set.
    var clockSetAt: UInt64 = 0
    private var isLeaving = false
    /// The owner of this host wants it alone.
    var isClosed = false
    /// What this node has said about being away.
    var absence = OwnAbsence()
    /// The comparison after the deadline of the drain has been made.
    var drainIsOver = false
    /// Whether the state, or what is held here, may have changed since the two were compared.
    var isComparisonDue = true
    private var mightStart = false
    /// What this turn has for Raft.
    var raftInputs: [RaftInput] = []
    /// The state of a snapshot from the leader, for the turn in which Raft decides whether it takes the place of `state`.
    var arrivedState: SchedulerState?
    /// What Raft has asked of the state and waits its turn: many entries at once would hold up everything else.
    var unapplied: ArraySlice<StateWork> = []
    private(set) var failure: String?

    /// - Parameters:
    ///   - restored: what the log holds.
    ///   - state: the state behind its snapshot and the entries that were applied since; nil where there are neither.
    ///   - boot: random bits of this start of the daemon: request ids and the order of gossip derive from them.
    ///   - generation: of this start; a later one is greater.
    ///   - seal: signs what this node gossips, and checks what others do.
    public init(
        id: NodeID, restored: RaftRestored, state: SchedulerState? = nil,
        raftConfiguration: RaftConfiguration = RaftConfiguration(), boot: UInt64, generation: UInt64, seal: SwimSeal,
        now: Instant, levels: ProtocolLevels = .current
    ) {
        self.init(
            id: id, restored: restored, state: state, raftConfiguration: raftConfiguration, boot: boot,
            generation: generation, seal: seal, now: now, levels: levels, faults: [])
    }

    /// With known mistakes put back on purpose, so that the simulator can show that it finds them.
    @_spi(Simulation) public init(
        id: NodeID, restored: RaftRestored, state: SchedulerState? = nil,
        raftConfiguration: RaftConfiguration = RaftConfiguration(), boot: UInt64, generation: UInt64, seal: SwimSeal,
        now: Instant, levels: ProtocolLevels = .current, faults: NodeFaults
    ) {
        let startsWithState = restored.snapshot != nil || restored.appliedIndex > 0
        precondition(!startsWithState || state != nil, "what was applied comes with its state")
        self.id = id
        self.levels = levels
        raft = RaftCore(id: id, restored: restored, configuration: raftConfiguration, seed: boot, now: now)
        self.state = state ?? SchedulerState()
        appliedIndex = raft.appliedIndex
        absence.noticed(self.state.node(id)?.absence)
        swim = SwimCore(id: id, generation: generation, seal: seal, seed: boot ^ 0x5357_494D, now: now)
        lease = LeaseHolder(now: now, boot: boot, faults: faults)
        grants = LeaseGrants(faults: faults)
        proposals = Proposals(faults: faults)
        reads = ReadBarriers(boot: boot)
        ledger = AttemptLedger(faults: faults)
        self.faults = faults
        requestIDs = RequestIDSource(boot: boot)
    }

    public var nextDeadline: Instant? {
        guard failure == nil else { return nil }
        guard unapplied.isEmpty else { return .zero }
        var next = lease.nextRenewal
        // Proposals wait without a time of their own while there is nobody to send them to.
        for other in [
            raft.nextDeadline, swim.nextDeadline, raft.leader == nil ? nil : proposals.nextDeadline,
            raft.leader == nil ? nil : reads.nextDeadline,
        ] {
            if let other, other < next { next = other }
        }
        if raft.isReadyLeader, let due = duties.nextDeadline(state: state, grants: grants, raft: raft, id: id),
            due < next
        {
            next = due
        }
        if lease.hasCaughtUp, let due = ledger.nextDeadline, due < next { next = due }
        if lease.hasCaughtUp, let due = drainDeadline, due < next { next = due }
        if lease.hasCaughtUp, let due = absence.nextDeadline, due < next { next = due }
        return next
    }

    public mutating func handle(_ input: NodeInput, at now: Instant, into effects: inout [NodeEffect]) {
        handle([input], at: now, into: &effects)
    }

    /// One turn: everything that arrived together, so that it goes to the log in one write.
    public mutating func handle(_ inputs: [NodeInput], at now: Instant, into effects: inout [NodeEffect]) {
        guard failure == nil else { return }
        for input in inputs { take(input, at: now, into: &effects) }
        var applicableBytes = NodeConstants.bytesAppliedPerTurn
        repeat {
            runRaft(at: now, into: &effects)
            applySome(within: &applicableBytes, at: now, into: &effects)
            advance(at: now, into: &effects)
        } while !raftInputs.isEmpty && failure == nil
    }

    private mutating func take(_ input: NodeInput, at now: Instant, into effects: inout [NodeEffect]) {
        switch input {
        case .timer:
            // A regular heartbeat confirms what waits, without a round of its own.
            if raft.role == .leader, let due = raft.nextDeadline, due <= now { confirmLeases(at: now, into: &effects) }
            raftInputs.append(.timer)
            gossip(.timer, at: now, into: &effects)
        case .message(let sender, let message): receive(message, from: sender, at: now, into: &effects)
        case .gossip(let sender, let message):
            gossip(.received(from: sender, message, over: .datagram), at: now, into: &effects)
        case .unreachable(let peer):
            raftInputs.append(.unreachable(peer))
            gossip(.unreachable(peer), at: now, into: &effects)
        case .persisted(let token): raftInputs.append(.persisted(0...token))
        case .logFailed(let reason): raftInputs.append(.diskFailed(reason: reason))
        case .snapshotTaken(let snapshot): raftInputs.append(.snapshotTaken(snapshot))
        case .snapshotFailed: raftInputs.append(.snapshotFailed)
        case .snapshotBroken(let index): raftInputs.append(.snapshotBroken(index: index))
        case .snapshotStored(let snapshot, let offset):
            raftInputs.append(.snapshotStored(snapshot, nextOffset: offset))
        case .snapshotArrived(let snapshot, let state):
            arrivedState = state
            raftInputs.append(.snapshotArrived(snapshot))
        case .propose(let entry):
            guard !proposals.isFull else {
                effects.append(.answered(entry.request, NodeError.busy.answer))
                break
            }
            if let refusal = refusal(of: entry) {
                effects.append(.answered(entry.request, Answer(refusal)))
                break
            }
            if case .absent(id, let absence) = entry.command { self.absence.asked(absence, now: now) }
            proposals.add(entry)
        case .abandon(let request): _ = proposals.remove(request)
        case .adopted(let attempts):
            for attempt in attempts { ledger.adopt(attempt) }
            // The state that it begins with may be one that this program does not understand.
            if appliedIndex > 0 { checkLevel(into: &effects) }
        case .attempt(let report):
            ledger.heard(report)
            // The end of what is wanted says nothing new until the state knows it.
            if !state.isLive(report.attempt) { isComparisonDue = true }
        case .wallClock(let time): setWallClock(time, now: now)
        case .read(let id): reads.add(id)
        case .abandonRead(let id): reads.abandon(id)
        case .transfer(let target): raftInputs.append(.transfer(to: target))
        case .facts(let facts): gossip(.facts(facts), at: now, into: &effects)
        case .recall(let rumours): gossip(.restore(rumours), at: now, into: &effects)
        case .alarm(let member, let text): alarm(member, text, at: now, into: &effects)
        case .goodbye: gossip(.leave, at: now, into: &effects)
        case .closed(let isClosed):
            self.isClosed = isClosed
            isComparisonDue = true
        case .leave, .stay:
            if case .leave = input { isLeaving = true } else { isLeaving = false }
            isComparisonDue = true
        }
    }

    // MARK: Messages

    private mutating func receive(
        _ message: NodeMessage, from sender: NodeID, at now: Instant, into effects: inout [NodeEffect]
    ) {
        switch message {
        case .raft(let message): if mayTell(message, sender) { raftInputs.append(.received(from: sender, message)) }
        case .swim(let message): gossip(.received(from: sender, message, over: .stream), at: now, into: &effects)
        case .propose(let entry):
            // Not the leader: the sender asks again when it has heard who is.
            propose([entry], for: sender, at: now, into: &effects)
        case .proposeAll(let entries): propose(entries, for: sender, at: now, into: &effects)
        case .refused(let request, let answer):
            if proposals.remove(request) { effects.append(.answered(request, answer)) }
        case .renew(let sequence, let time):
            if let time { clockShows(time, at: sender, now: now) }
            renew(sender, sequence: sequence, at: now)
        case .granted(let sequence, let index, let ahead):
            lease.granted(sequence: sequence, index: index, now: now)
            clockCompared(ahead: ahead, sequence: sequence, now: now)
        case .read(let sequence): read(sequence, for: sender, into: &effects)
        case .readable(let sequence, let index): reads.answered(sequence, index: index)
        }
    }

    private mutating func propose(
        _ entries: [Entry], for sender: NodeID, at now: Instant, into effects: inout [NodeEffect]
    ) {
        guard raft.role == .leader else { return }
        for entry in entries {
            if let refusal = refusal(of: entry) {
                effects.append(.send(sender, .refused(entry.request, Answer(refusal))))
            } else if let refusal = state.refusal(of: entry, from: sender)
                ?? state.refusal(ofWhoAsksFor: entry, at: sender)
            {
                // The state here may be older than what it speaks of: then it asks again.
                guard raft.isReadyLeader, unapplied.isEmpty else { continue }
                effects += [.send(sender, .refused(entry.request, Answer(refusal))), .denied(sender, refusal)]
            } else {
                proposeToRaft(entry, at: now)
            }
        }
    }

    /// Not every member would understand it.
    private func refusal(of entry: Entry) -> SchedulerError? {
        guard let needed = entry.command.level else { return .unrecognised }
        return needed <= state.level ? nil : .levelNotReached(needed: needed, mesh: state.level)
    }

    private mutating func renew(_ node: NodeID, sequence: UInt64, at now: Instant) {
        guard raft.role == .leader, let record = state.node(node), record.revocation == nil else { return }
        switch record.presence {
        case .present: grants.renew(LeaseGrants.Renewal(node: node, sequence: sequence), now: now)
        case .lost: duties.hasReturned(node)
        case .left: break
        }
    }

    // MARK: Raft

    private mutating func runRaft(at now: Instant, into effects: inout [NodeEffect]) {
        guard !raftInputs.isEmpty else { return }
        let inputs = raftInputs
        raftInputs = []
        var raftEffects: [RaftEffect] = []
        raft.handle(inputs, at: now, into: &raftEffects)
        for effect in raftEffects { carryOut(effect, at: now, into: &effects) }
        arrivedState = nil
    }

    private mutating func carryOut(_ effect: RaftEffect, at now: Instant, into effects: inout [NodeEffect]) {
        switch effect {
        case .persist(let persist): effects.append(.persist(persist))
        case .send(let peer, let message): effects.append(.send(peer, .raft(message)))
        case .apply(let entries):
            for entry in entries { unapplied.append(.apply(entry)) }
        case .restore(let snapshot): restore(snapshot, at: now, into: &effects)
        case .proposed: break
        case .rejected(let request, _): rejected(request)
        case .readReady(let request, let index):
            if let reader = readService.answered(request) {
                answer(reader, index: index, into: &effects)
            } else {
                for renewal in grants.confirmed(id: request) {
                    grant(renewal, index: index, at: now, into: &effects)
                }
            }
        case .roleChanged(let role, _, let leader):
            if role == .leader { grants.lead(from: now) } else { grants.stopLeading() }
            duties = LeaderDuties()
            clocks = ClockWatch()
            proposals.forgetSent()
            reads.forgetAsked()
            readService = ReadService()
            if leader != nil { lease.hasten(now: now) }
            effects.append(.leadership(role, leader: leader))
        // Also said once at the beginning, where the members may be known from a snapshot alone.
        case .membershipChanged: membersChanged(at: now, into: &effects)
        case .snapshotWanted(let plan): unapplied.append(.snapshot(plan))
        case .sendSnapshot(let peer, let term, let snapshot, let offset, let byteCount):
            effects.append(.sendSnapshot(peer, term: term, snapshot, offset: offset, byteCount: byteCount))
        case .storeSnapshot(let piece): effects.append(.storeSnapshot(piece))
        case .stop(let error): fail(error.message, into: &effects)
        }
    }

    mutating func fail(_ reason: String, into effects: inout [NodeEffect]) {
        failure = reason
        effects.append(.failed(reason))
    }

    /// Whether this program speaks what the mesh speaks; where it does not, it may not go on.
    public var speaksLevel: Bool { levels.contains(state.level) }

    mutating func checkLevel(into effects: inout [NodeEffect]) {
        if isRevoked, failure == nil { return fail("its key was revoked", into: &effects) }
        guard !speaksLevel, failure == nil else { return }
        fail(SchedulerError.levelTooOld(node: levels, mesh: state.level).message, into: &effects)
    }

    // MARK: Progress

    /// Does what has become possible. Each step is idle when there is nothing to do, so that one call after every
    /// input is enough.
    private mutating func advance(at now: Instant, into effects: inout [NodeEffect]) {
        if let leader = raft.leader {
            leaderHeard = now
            lastLeader = leader
        }
        if lease.nextRenewal <= now { requestLease(at: now, into: &effects) }
        if raft.role == .leader { lead(at: now, into: &effects) }
        runAttempts(at: now, into: &effects)
        if ledger.hasReportsToTake(at: now) {
            let request = requestIDs.next()
            if let reports = ledger.takeReports(as: request, at: now) {
                proposals.add(Entry(request: request, time: 0, command: .report(id, reports)))
            }
        }
        propose(at: now, into: &effects)
        askReads(at: now, into: &effects)
        let readable = reads.takeReadable(appliedIndex)
        if !readable.isEmpty { effects.append(.readable(readable)) }
    }

    private mutating func requestLease(at now: Instant, into effects: inout [NodeEffect]) {
        let sequence = lease.renew(now: now)
        guard let leader = raft.leader ?? lastLeader else { return }
        if leader == id {
            renew(id, sequence: sequence, at: now)
        } else {
            let time = wallClockOffset == nil ? nil : wallClock(at: now)
            let renewal = NodeMessage.renew(sequence: sequence, time: time)
            let isWell = lease.hasCaughtUp && now - lease.deadline < NodeConstants.leaseByDatagramAfterEnd
            effects.append(isWell ? .sendByDatagram(leader, renewal) : .send(leader, renewal))
        }
    }

    private mutating func grant(
        _ renewal: LeaseGrants.Renewal, index: UInt64, at now: Instant, into effects: inout [NodeEffect]
    ) {
        let ahead = clocks.ahead(of: renewal.node, leader: id, among: raft.membership.voters, now: now)
        if renewal.node == id {
            lease.granted(sequence: renewal.sequence, index: index, now: now)
            clockCompared(ahead: ahead, sequence: renewal.sequence, now: now)
        } else {
            let granted = NodeMessage.granted(sequence: renewal.sequence, index: index, ahead: ahead)
            effects.append(.sendByDatagram(renewal.node, granted))
        }
    }

    private mutating func runAttempts(at now: Instant, into effects: inout [NodeEffect]) {
        let extended = lease.applied(upTo: appliedIndex)
        guard lease.hasCaughtUp else { return }
        let mayStart = lease.deadline - now >= NodeConstants.leaseToStart
        let wallClock = self.wallClock(at: now)
        if let due = drainDeadline, due <= now {
            isComparisonDue = true
            drainIsOver = true
        }
        var steps: [AttemptLedger.Step] = []
        if isComparisonDue || mayStart != mightStart {
            steps = ledger.compare(
                with: wanted(wallClock: wallClock), mayStart: mayStart, isLeaving: isLeaving, at: now,
                wallClock: wallClock)
            isComparisonDue = false
            mightStart = mayStart
        }
        steps += ledger.moveLines(mayStart: mayStart, at: now, wallClock: wallClock)
        // What was replaced is stopped before the lease that would let it go on moves.
        for case .stop(let key, let stop) in steps { effects.append(.stop(key, stop)) }
        if let extended { effects.append(.extendLease(until: extended, heldBack: ledger.jobsHeldBack)) }
        let isLeased = now < lease.deadline
        if let until = absence.takeGranted(leased: isLeased) {
            effects.append(.extendLease(until: until, heldBack: ledger.jobsHeldBack))
        }
        if let over = absence.takeOver(leased: isLeased, now: now) {
            effects.append(.shortenLease(to: lease.deadline))
            proposals.add(Entry(request: requestIDs.next(), time: 0, command: .back(id, absence: over)))
        }
        for step in steps {
            switch step {
            case .prepare(let key): effects.append(.prepare(key))
            case .start(let key): effects.append(.start(key))
            case .settled(let key): effects.append(.settled(key))
            case .moveGang(let key):
                proposals.add(Entry(request: requestIDs.next(), time: 0, command: .moveGang(key)))
            case .stop: break
            }
        }
    }

    private mutating func lead(at now: Instant, into effects: inout [NodeEffect]) {
        guard raft.isReadyLeader else { return }
        compareClocks(at: now)
        if grants.isUrgent || faults.contains(.grantWithoutConfirmation) { confirmLeases(at: now, into: &effects) }
        // Decided on a view that is known to be old, most of it would be void.
        guard unapplied.isEmpty else { return }
        let decisions = duties.decide(
            state: state, grants: grants, raft: raft, id: id, now: now, wallClock: wallClock(at: now))
        for decision in decisions {
            switch decision {
            case .propose(let command):
                let request = requestIDs.next()
                if case .nodeLost(let node) = command { grants.condemn(node) }
                duties.proposed(command, as: request, proposal: nextRaftRequest)
                proposeToRaft(Entry(request: request, time: 0, command: command), at: now)
            case .change(let voters, let learners):
                raftInputs.append(.change(id: takeRaftRequest(), voters: voters, learners: learners))
            }
        }
    }

    /// Begins a round for all renewals that wait.
    private mutating func confirmLeases(at now: Instant, into effects: inout [NodeEffect]) {
        guard raft.isReadyLeader, grants.needsConfirmation else { return }
        let read = takeRaftRequest()
        guard grants.confirm(id: read) else { return }
        guard faults.contains(.grantWithoutConfirmation) else { return raftInputs.append(.read(id: read)) }
        for renewal in grants.confirmed(id: read) {
            grant(renewal, index: appliedIndex, at: now, into: &effects)
        }
    }

    private mutating func propose(at now: Instant, into effects: inout [NodeEffect]) {
        guard !proposals.isEmpty, let leader = raft.leader else { return }
        let due = proposals.takeDue(now: now)
        if raft.role != .leader, leader != id {
            for start in stride(from: 0, to: due.count, by: NodeConstants.proposalsPerMessage) {
                let batch = Array(due[start..<min(due.count, start + NodeConstants.proposalsPerMessage)])
                effects.append(.send(leader, batch.count == 1 ? .propose(batch[0]) : .proposeAll(batch)))
            }
        }
        for entry in due {
            if raft.role == .leader, mayAsk(for: entry, into: &effects) { proposeToRaft(entry, at: now) }
            if faults.contains(.forgetReportsOnSend), case .report = entry.command {
                ledger.answered(entry.request)
                _ = proposals.remove(entry.request)
            }
        }
    }

    /// The leader stamps every entry with its own clock: time in the log is the leader's.
    private mutating func proposeToRaft(_ entry: Entry, at now: Instant) {
        var stamped = entry
        stamped.time = wallClock(at: now)
        stamped.placements =
            raft.isReadyLeader ? duties.placements(with: stamped, state: state, grants: grants, id: id) : []
        raftInputs.append(.propose(id: takeRaftRequest(), entry: stamped.encoded()))
    }

    /// A proposal that was refused is asked again by its owner after a while; a read that failed is void.
    private mutating func rejected(_ request: UInt64) {
        grants.refused(id: request)
        _ = readService.answered(request)
        if let node = duties.refused(proposal: request) { grants.pardon(node) }
    }

    mutating func takeRaftRequest() -> UInt64 {
        defer { nextRaftRequest += 1 }
        return nextRaftRequest
    }
}
