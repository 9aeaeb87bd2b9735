import Codec
import Ring
import Scheduler

/// Puts other nodes out of the mesh: those in wrong hands at once, dead ones for good. Confined to its loop.
struct RemovalService {
    let node: MeshNode
    let asker: Asker

    /// For a voter that nobody can do without until its seat is another node's.
    private static let seatPatience = Interval.seconds(15)

    private var state: SchedulerState { node.state }

    /// Every daemon that applies the entry cuts the node off; what it ran starts elsewhere once its lease is over.
    func revoke(_ name: String) async throws -> MemberView {
        let member = try MemberViews(node: node).member(named: name)
        if member.nodeID == node.id {
            guard state.members.count > 1 else { throw NodeError.lastNode(mesh: state.meshName) }
            throw NodeError.revokeSelf(member.name)
        }
        try await makeDispensable(member)
        _ = try await node.driver.carryOut(.revoke(member.nodeID, by: asker.name), by: asker)
        guard let record = state.node(member.nodeID) else { return member }
        return MemberViews(node: node).view(record)
    }

    /// Removes a dead node with all that was meant for it.
    func remove(_ name: String) async throws -> MemberView {
        let member = try MemberViews(node: node).member(named: name)
        guard case .lost? = state.node(member.nodeID)?.presence else { throw NodeError.removeAlive(member.name) }
        _ = try await node.driver.carryOut(.removeNode(member.nodeID), by: asker)
        return member
    }

    /// The mesh must be able to decide without it, at the latest when everybody has cut it off.
    private func makeDispensable(_ member: MemberView) async throws {
        if isDispensable(member.nodeID) { return }
        _ = try await node.driver.carryOut(.standDown(member.nodeID, true), by: asker)
        let deadline = node.loop.after(RemovalService.seatPatience)
        while !isDispensable(member.nodeID) {
            guard try await node.driver.changes.isNotified(before: deadline) else {
                _ = try await node.driver.carryOut(.standDown(member.nodeID, false), by: asker)
                throw NodeError.revokeNeedsVoter(member.name)
            }
        }
    }

    private func isDispensable(_ id: NodeID) -> Bool {
        let membership = node.driver.core.raft.membership
        guard membership.isVoter(id) else { return true }
        let others = membership.voters.filter { $0 != id && ($0 == node.id || node.peers.isConnected($0)) }
        return !membership.isJoint && others.count > membership.voters.count / 2
    }
}
