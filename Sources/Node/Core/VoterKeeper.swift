import Codec
import Raft
import Scheduler

/// Keeps the mesh in voters and learners, on the leader: looks at the members now and then, and whenever something
/// about them has changed, and asks for the membership that `VoterPlan` says.
///
/// Everybody who is no voter is a learner, so that whoever gets a seat has the log already, and a change of seats is
/// one joint step.
struct VoterKeeper: Sendable {
    struct Change: Hashable, Sendable {
        var voters: [NodeID]
        var learners: [NodeID]
    }

    /// What the leader knows.
    struct View {
        var state: SchedulerState
        var grants: LeaseGrants
        var raft: RaftCore
        var id: NodeID
        /// Nanoseconds since the Unix epoch by the leader's clock.
        var wallClock: Int64
    }

    /// When a member came back from being lost, as this leader saw it.
    private var returnedAt: [NodeID: Instant] = [:]
    private(set) var nextLook = Instant.zero

    /// A member is back: whether it stays is to be seen.
    mutating func returned(_ node: NodeID, now: Instant) { returnedAt[node] = now }

    /// Something about the members has changed.
    mutating func hasten() { nextLook = .zero }

    /// The membership to ask for, if another one than that in force would be better. Due at `nextLook`.
    mutating func look(_ view: View, now: Instant) -> Change? {
        nextLook = now + NodeConstants.voterLook
        guard !view.raft.isChangingMembership, view.raft.transferTarget == nil else { return nil }
        let settings = view.state.meshSettings
        let nodes = view.state.members.map { node($0, view, settings, now: now) }
        guard let voters = VoterPlan(nodes: nodes, leader: view.id, wanted: settings.voters).voters() else {
            return nil
        }
        let learners = nodes.map(\.id).filter { !voters.contains($0) }
        let current = view.raft.membership
        guard voters != current.voters || learners != current.learners else { return nil }
        return Change(voters: voters, learners: learners)
    }

    private func node(
        _ record: NodeRecord, _ view: View, _ settings: MeshSettings, now: Instant
    ) -> VoterPlan.Node {
        let isHere = record.id == view.id
        let isAlive =
            isHere
            || record.presence == .present && record.revocation == nil && !view.grants.isCondemned(record.id)
                && view.grants.silence(of: record.id, now: now) < NodeConstants.voterSilence
        let isSteady =
            view.wallClock - record.admittedAt >= settings.stableAfter.nanoseconds
            && (returnedAt[record.id].map { now - $0 >= settings.stableAfter } ?? true)
        var isDead = false
        if case .lost(let since) = record.presence, !isHere {
            isDead = record.revocation != nil || view.wallClock - since >= settings.replaceDeadVoterAfter.nanoseconds
        }
        return VoterPlan.Node(
            id: record.id, isVoter: view.raft.membership.voters.contains(record.id), mayVote: record.role == .auto,
            isFit: isAlive && isSteady && (isHere || Self.hasCaughtUp(record.id, raft: view.raft)), isAlive: isAlive,
            isDead: isDead, standsDown: record.givesSeatAway, owner: record.label("owner"), rack: record.label("rack"))
    }

    /// Whether this learner could vote at once without holding the others up.
    private static func hasCaughtUp(_ node: NodeID, raft: RaftCore) -> Bool {
        guard let progress = raft.progress.first(where: { $0.id == node }) else { return false }
        return progress.phase == .replicate && progress.matchIndex + 64 >= raft.commitIndex
    }
}
