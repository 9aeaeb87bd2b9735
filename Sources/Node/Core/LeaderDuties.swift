import Codec
import Raft
import Scheduler

/// What the leader does for the mesh without being asked: it places waiting tasks, declares silent nodes lost and
/// returned ones present, and gives the mesh its voters and learners.
///
/// Every decision is a proposal that the state checks again when it applies it, so that a decision made on a view that
/// has moved on is void. At most one placement entry is under way: the next is decided on what came of it.
struct LeaderDuties: Sendable {
    enum Decision: Hashable, Sendable {
        case propose(Command)
        case change(voters: [NodeID], learners: [NodeID])
    }

    private enum Subject: Hashable, Sendable {
        case placement
        case loss(of: NodeID)
        case level
        case returning(of: NodeID)
        case tick
        case removal(of: NodeID)
    }

    private struct Open: Hashable, Sendable {
        var subject: Subject
        var request: RequestID
        /// The number under which it was given to Raft, which refuses by it.
        var proposal: UInt64
    }

    private var open: [Open] = []
    private var mayPlace = true
    /// The round of placing that is under way, where the last one stopped, and when the next may begin.
    private var round: PlacementRound?
    private var lastStop: JobID?
    /// The gang for which the last round kept room.
    private var lastReserved: JobID?
    private var nextRound = Instant.zero
    /// Before then no lease can have run out.
    private var nextLossCheck = Instant.zero
    private var nextTick: Instant?
    private var returned: [NodeID] = []
    private var voters = VoterKeeper()
    private var pace = TaskPace()

    /// A lost node has asked for a lease.
    mutating func hasReturned(_ node: NodeID) {
        if !returned.contains(node) { returned.append(node) }
    }

    mutating func noticed(_ event: StateEvent, _ state: SchedulerState, now: Instant) {
        switch event {
        case .attemptEnded(let key, let outcome):
            if let attempt = state.attempt(key) { pace.ended(attempt, of: key.job, with: outcome) }
        case .jobEnded(let job): pace.forget(job)
        default: break
        }
        switch event {
        case .nodeChanged(let node):
            mayPlace = true
            nextLossCheck = .zero
            if returned.contains(node) { voters.returned(node, now: now) }
            voters.hasten()
        case .nodeRemoved:
            mayPlace = true
            nextLossCheck = .zero
        case .settingChanged: voters.hasten()
        case .checkpointRecorded, .checkpointHeld, .treeHeld, .resultsRecorded, .jobForgotten, .knocked,
            .invitationUsed, .invitationReused, .attemptStarted, .tokensChanged, .tokenSpent, .tokenIssued,
            .tokenRevoked,
            .tokenEpochRaised, .tokenIssuerAdded, .tokenRefused, .meshKeyChanged:
            break
        default: mayPlace = true
        }
    }

    mutating func everythingChanged() {
        mayPlace = true
        voters.hasten()
        round = nil
        lastStop = nil
        lastReserved = nil
        nextLossCheck = .zero
    }

    mutating func proposed(_ command: Command, as request: RequestID, proposal: UInt64) {
        guard let subject = Self.subject(of: command) else { return }
        open.append(Open(subject: subject, request: request, proposal: proposal))
    }

    /// The entry has been applied.
    mutating func answered(_ request: RequestID) {
        guard let index = open.firstIndex(where: { $0.request == request }) else { return }
        switch open.remove(at: index).subject {
        case .placement: mayPlace = true
        case .returning(let node): returned.removeAll { $0 == node }
        case .loss, .level, .tick, .removal: break
        }
    }

    /// Raft refused the proposal; the answer is the node that is not lost after all.
    mutating func refused(proposal: UInt64) -> NodeID? {
        guard let index = open.firstIndex(where: { $0.proposal == proposal }) else { return nil }
        switch open.remove(at: index).subject {
        case .loss(let node):
            nextLossCheck = .zero
            return node
        case .placement: mayPlace = true
        case .returning, .level, .tick, .removal: break
        }
        return nil
    }

    mutating func decide(
        state: SchedulerState, grants: LeaseGrants, raft: RaftCore, id: NodeID, now: Instant, wallClock: Int64
    ) -> [Decision] {
        var decisions: [Decision] = []
        if now >= nextLossCheck {
            nextLossCheck = .distantFuture
            state.forEachPresent { node in
                guard node != id, !grants.isCondemned(node) else { return }
                var deadline = grants.deadline(of: node)
                if deadline <= now, let absence = state.node(node)?.absence {
                    deadline = max(deadline, grants.end(of: absence, of: node))
                }
                if deadline <= now { decisions.append(.propose(.nodeLost(node))) }
                nextLossCheck = min(nextLossCheck, deadline)
            }
        }
        for node in returned where !isOpen(.returning(of: node)) {
            decisions.append(.propose(.nodeReturned(node)))
        }
        if let placements = place(state: state, grants: grants, id: id, now: now) {
            decisions.append(.propose(.place(placements)))
        }
        let tickAt = nextTick ?? now + NodeConstants.tick
        nextTick = tickAt
        if state.hasWorkLeft || now >= tickAt, !isOpen(.tick) {
            nextTick = now + NodeConstants.tick
            decisions.append(.propose(.tick))
        }
        if voters.nextLook <= now {
            if !isOpen(.level), let level = LevelPlan.next(state, voters: raft.membership) {
                decisions.append(.propose(.raiseLevel(level)))
            }
            for node in overdue(state, wallClock: wallClock) where !isOpen(.removal(of: node)) {
                decisions.append(.propose(.removeNode(node)))
            }
            let view = VoterKeeper.View(state: state, grants: grants, raft: raft, id: id, wallClock: wallClock)
            if let change = voters.look(view, now: now) {
                decisions.append(.change(voters: change.voters, learners: change.learners))
            }
        }
        return decisions
    }

    /// Where the tasks of the job go that this entry submits: decided on what the state will be, so that one write does
    /// for both. Nothing where anything else waits or is being placed; what is void by then is placed as usual.
    func placements(with entry: Entry, state: SchedulerState, grants: LeaseGrants, id: NodeID) -> [Placement] {
        guard case .submit = entry.command, state.pendingCount == 0, !isOpen(.placement) else { return [] }
        var next = state
        guard case .job = next.apply(entry).answer else { return [] }
        var first = PlacementRound(avoid: id, limit: NodeConstants.placementsPerEntry)
        // What one slice does not find is placed as usual, too.
        _ = first.advance(next, mayTake: { !grants.isCondemned($0) })
        return first.placements.map { placement in
            var placement = placement
            placement.attempt.job = 0
            return placement
        }
    }

    /// When a decision may be due without anything else happening.
    func nextDeadline(state: SchedulerState, grants: LeaseGrants, raft: RaftCore, id: NodeID) -> Instant? {
        var next: Instant?
        func consider(_ instant: Instant) { next = min(next ?? instant, instant) }
        consider(nextLossCheck)
        if !isOpen(.tick) { consider(state.hasWorkLeft ? .zero : nextTick ?? .distantFuture) }
        if mayPlace || round != nil, !isOpen(.placement), state.pendingCount > 0 {
            consider(round == nil ? nextRound : .zero)
        }
        consider(voters.nextLook)
        return next
    }

    // MARK: Placing

    /// A slice of a round; what a finished round found.
    private mutating func place(
        state: SchedulerState, grants: LeaseGrants, id: NodeID, now: Instant
    ) -> [Placement]? {
        guard !isOpen(.placement), state.pendingCount > 0 else { return nil }
        if round == nil {
            guard mayPlace, now >= nextRound else { return nil }
            mayPlace = false
            round = PlacementRound(
                avoid: id, limit: NodeConstants.placementsPerEntry, after: lastStop,
                reserved: lastReserved)
        }
        guard var current = exchange(&round, with: nil) else { return nil }
        guard current.advance(state, ahead: { pace.depth(of: $0) }, mayTake: { !grants.isCondemned($0) }) else {
            round = current
            return nil
        }
        lastStop = current.stoppedAfter
        lastReserved = current.reservedFor
        // Behind the jobs that one round looks at there may be one that fits.
        if lastStop != nil { mayPlace = true }
        guard current.placements.isEmpty else { return current.placements }
        // A long search in vain is not begun again at every event.
        if current.work > PlacementRound.sliceWork { nextRound = now + NodeConstants.placementPause }
        return nil
    }

    /// Lost members that were revoked, or have been lost for longer than the mesh waits.
    private func overdue(_ state: SchedulerState, wallClock: Int64) -> [NodeID] {
        let patience = state.meshSettings.removeInactiveAfter
        return state.members.compactMap { node in
            guard case .lost(let since) = node.presence else { return nil }
            if node.revocation != nil { return node.id }
            return patience.map { wallClock - since >= $0.nanoseconds } == true ? node.id : nil
        }
    }

    private func isOpen(_ subject: Subject) -> Bool { open.contains { $0.subject == subject } }

    private static func subject(of command: Command) -> Subject? {
        switch command {
        case .place: .placement
        case .nodeLost(let node): .loss(of: node)
        case .raiseLevel: .level
        case .removeNode(let node): .removal(of: node)
        case .nodeReturned(let node): .returning(of: node)
        case .tick: .tick
        default: nil
        }
    }
}
