import Codec
import Scheduler

/// The leader's side of the leases: who was heard when, and who may be replaced.
///
/// A grant is given only after a quorum has confirmed, later than the renewal arrived, that this node still leads
/// (one ReadIndex round for all renewals that arrived meanwhile, at the latest with the next regular heartbeat: a lease
/// lasts forty of them, and a round for each renewal would be most of what a quiet mesh says). A new leader knows nothing of its forerunner's
/// grants and treats every lease as just renewed.
struct LeaseGrants: Sendable {
    struct Renewal: Hashable, Sendable {
        var node: NodeID
        var sequence: UInt64
    }

    private let faults: NodeFaults
    private var leadingSince = Instant.zero
    private var heard: [NodeID: Instant] = [:]
    private var waiting: [Renewal] = []
    private var confirming: [Renewal] = []
    private var confirmation: UInt64?
    /// Nodes whose loss is proposed: they get no grant until the mesh has decided.
    private var condemned: Set<NodeID> = []
    /// Those that are away by their own word, and since when this leader knows it.
    private var absences: [NodeID: (id: UInt64, since: Instant)] = [:]
    /// Nodes that hold a grant of this leader: their next one can wait for a heartbeat.
    private var granted: Set<NodeID> = []

    init(faults: NodeFaults = []) { self.faults = faults }

    mutating func lead(from now: Instant) {
        self = LeaseGrants(faults: faults)
        leadingSince = faults.contains(.newLeaderForgetsLeases) ? .zero : now
    }

    mutating func stopLeading() { self = LeaseGrants(faults: faults) }

    /// A renewal of a node that is present in the state has arrived.
    mutating func renew(_ renewal: Renewal, now: Instant) {
        guard !condemned.contains(renewal.node) || faults.contains(.grantToCondemned) else { return }
        heard[renewal.node] = now
        waiting.removeAll { $0.node == renewal.node }
        waiting.append(renewal)
    }

    /// A node is (again) part of the mesh: its time counts from here. Not while its loss is under way: a grant given
    /// then would outlive the loss.
    mutating func welcome(_ node: NodeID, now: Instant) {
        granted.remove(node)
        if !condemned.contains(node) { heard[node] = now }
    }

    /// Begins a round with a fresh id if renewals wait and none is under way.
    mutating func confirm(id: UInt64) -> Bool {
        guard confirmation == nil, !waiting.isEmpty else { return false }
        confirmation = id
        confirming = waiting
        waiting = []
        return true
    }

    var needsConfirmation: Bool { confirmation == nil && !waiting.isEmpty }
    /// Somebody waits for a first grant, without which nothing starts there.
    var isUrgent: Bool { needsConfirmation && waiting.contains { !granted.contains($0.node) } }

    /// The round with this id is confirmed; the answer is who is to be told.
    mutating func confirmed(id: UInt64) -> [Renewal] {
        guard confirmation == id else { return [] }
        defer { confirming = [] }
        confirmation = nil
        for renewal in confirming { granted.insert(renewal.node) }
        return confirming
    }

    /// The round with this id can no longer be confirmed.
    mutating func refused(id: UInt64) {
        guard confirmation == id else { return }
        confirmation = nil
        confirming = []
    }

    func silence(of node: NodeID, now: Instant) -> Interval { now - (heard[node] ?? leadingSince) }

    /// When this node may be declared lost, if it stays silent.
    func deadline(of node: NodeID) -> Instant {
        (heard[node] ?? leadingSince) + NodeConstants.lease
            + (faults.contains(.replaceWithoutMargin) ? .zero : NodeConstants.leaseMargin)
    }

    /// What a node has said about its absence, as of now.
    mutating func noticed(_ absence: Absence?, of node: NodeID, now: Instant) {
        guard absences[node]?.id != absence?.id else { return }
        absences[node] = absence.map { ($0.id, now) }
    }

    /// Until when nothing is taken for lost that a node runs during its absence. The node counts from when it asked for it,
    /// each leader from when it heard of it, or began to lead.
    func end(of absence: Absence, of node: NodeID) -> Instant {
        let known = absences[node].flatMap { $0.id == absence.id ? $0.since : nil } ?? leadingSince
        let length = Interval(nanoseconds: absence.nanoseconds)
        return known + length + NodeConstants.absenceMargin(length)
    }

    mutating func condemn(_ node: NodeID) {
        condemned.insert(node)
        waiting.removeAll { $0.node == node }
        confirming.removeAll { $0.node == node }
    }

    /// The loss is decided, or will not be.
    mutating func pardon(_ node: NodeID) { condemned.remove(node) }
    func isCondemned(_ node: NodeID) -> Bool { condemned.contains(node) }
}
