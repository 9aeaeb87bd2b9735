import Scheduler

/// Why a node takes no part in its mesh.
extension MeshNode {
    /// What a node is told whose key was revoked.
    static let revokedReason = "this key was revoked"
    static let removedReason = "this key was removed"

    /// What those say that were dialled, while no leader is known: they do not know this node any more, and why. Said
    /// before the other side has proved who it is, so nothing but an error follows from it.
    private var expulsion: NodeError? {
        guard driver.core.raft.leader == nil else { return nil }
        let refusals = peers.refusals()
        if refusals.contains(where: { $0.hasSuffix(MeshNode.revokedReason) }) {
            return .revoked(mesh: membership.meshName)
        }
        return refusals.contains { $0.hasSuffix(MeshNode.removedReason) } ? .removed(mesh: membership.meshName) : nil
    }

    /// Why this node takes no part any more, as an error; nil while it does.
    var reasonOfFailure: (any Error)? {
        guard let failure else { return expulsion }
        if driver.core.isRevoked { return NodeError.revoked(mesh: membership.meshName) }
        if let error = driver.logFailure { return NodeError.logFailed(path: directory.path, error) }
        if driver.core.speaksLevel { return NodeError.failed(failure) }
        return levels.highest < state.level
            ? SchedulerError.levelTooOld(node: levels, mesh: state.level)
            : SchedulerError.levelTooNew(node: levels, mesh: state.level)
    }
}
