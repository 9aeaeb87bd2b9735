@_spi(Simulation) import Node

/// A mistake that can be put back into every node, to show that the histories find it.
public struct MeshBug: Sendable {
    /// Short name, as `simulate --bugs` prints it.
    public let name: String
    let faults: NodeFaults
    /// Seeds within which each must be found. Well above what the rarest needed from several starting points.
    public static let seedLimit = 400

    /// All of them, in the order of `NodeFaults`.
    public static let all: [MeshBug] = [
        MeshBug(name: "replace-without-margin", faults: .replaceWithoutMargin),
        MeshBug(name: "new-leader-forgets-leases", faults: .newLeaderForgetsLeases),
        MeshBug(name: "grant-without-confirmation", faults: .grantWithoutConfirmation),
        MeshBug(name: "grant-to-condemned", faults: .grantToCondemned),
        MeshBug(name: "lease-from-arrival", faults: .leaseFromArrival),
        MeshBug(name: "lease-before-applied", faults: .leaseBeforeApplied),
        MeshBug(name: "thaw-replaced", faults: .thawReplaced),
        MeshBug(name: "forget-supervisors", faults: .forgetSupervisors),
        MeshBug(name: "new-request-on-retry", faults: .newRequestOnRetry),
        MeshBug(name: "forget-reports-on-send", faults: .forgetReportsOnSend),
    ]

    /// The first seed that finds it, how many were tried and what it broke; nil where none does within the limit.
    public func hunt(from first: UInt64, limit: Int) -> (seed: UInt64, tried: Int, broken: String)? {
        for tried in 1...max(1, limit) {
            let seed = first + UInt64(tried - 1)
            let mesh = MeshSimulation(seed: seed, bug: self)
            if let broken = mesh.run() { return (seed, tried, broken) }
        }
        return nil
    }
}
