import Codec
import Raft
import Scheduler

/// The replicated state: entries are applied in turns, a part of the log at a time.
extension NodeCore {
    /// What Raft has asked of the state and waits its turn.
    enum StateWork: Sendable {
        case apply(RaftEntry)
        /// Raft wants a snapshot of the state as it is behind the entries before this.
        case snapshot(RaftSnapshotPlan)
    }

    /// What an entry costs goes with its length: placements and reports come many in one.
    mutating func applySome(within bytes: inout Int, at now: Instant, into effects: inout [NodeEffect]) {
        while bytes > 0, failure == nil, let work = unapplied.popFirst() {
            switch work {
            case .apply(let entry):
                bytes -= 64 + (entry.command?.count ?? 0)
                apply(entry, at: now, into: &effects)
            case .snapshot(let plan): effects.append(.takeSnapshot(plan, state))
            }
        }
        if unapplied.isEmpty { unapplied = [] }
    }

    private mutating func apply(_ committed: RaftEntry, at now: Instant, into effects: inout [NodeEffect]) {
        guard failure == nil else { return }
        appliedIndex = committed.index
        guard let command = committed.command else { return }
        let entry: Entry
        do {
            entry = try Entry(encoded: command)
        } catch {
            return fail("entry \(committed.index) of the log cannot be read: \(error.message)", into: &effects)
        }
        let (answer, events) = state.apply(entry)
        // What comes after it may mean what this program does not know.
        checkLevel(into: &effects)
        let audited = state.takeAuditLines()
        if !audited.isEmpty { effects.append(.audited(audited)) }
        let archived = state.takeArchived()
        if !archived.isEmpty { effects.append(.archive(archived, index: committed.index)) }
        if !events.isEmpty {
            isComparisonDue = true
            follow(events, at: now, into: &effects)
            effects.append(.changed(events))
        }
        ledger.answered(entry.request)
        duties.answered(entry.request)
        if proposals.remove(entry.request) { effects.append(.answered(entry.request, answer)) }
    }

    private mutating func follow(_ events: [StateEvent], at now: Instant, into effects: inout [NodeEffect]) {
        for event in events {
            switch event {
            case .nodeChanged(let node):
                if node == id {
                    drainIsOver = false
                    absence.noticed(state.node(id)?.absence)
                }
                grants.noticed(state.node(node)?.absence, of: node, now: now)
                switch state.node(node)?.presence {
                case .present: grants.welcome(node, now: now)
                case .lost, .left, nil: grants.pardon(node)
                }
                membersChanged(at: now, into: &effects)
            case .nodeRemoved, .levelRaised, .meshKeyChanged: membersChanged(at: now, into: &effects)
            case .attemptLost(let key, let node) where node == id:
                if case .stop(let key, let stop) = ledger.superseded(key) { effects.append(.stop(key, stop)) }
            default: break
            }
            duties.noticed(event, state, now: now)
        }
    }

    mutating func membersChanged(at now: Instant, into effects: inout [NodeEffect]) {
        gossipMembers(at: now, into: &effects)
        effects.append(.membersChanged)
    }

    mutating func restore(_ snapshot: RaftSnapshot, at now: Instant, into effects: inout [NodeEffect]) {
        guard let arrivedState else { preconditionFailure("a snapshot is restored in the turn in which it arrived") }
        effects.append(.replaced(state))
        state = arrivedState
        absence.noticed(state.node(id)?.absence)
        appliedIndex = snapshot.index
        unapplied = []
        isComparisonDue = true
        drainIsOver = false
        checkLevel(into: &effects)
        duties.everythingChanged()
        membersChanged(at: now, into: &effects)
        // Answers may have been among the entries that the snapshot stands for: asked again, they are given again.
        proposals.forgetSent()
    }
}
