@_spi(Simulation) import Node

/// A mistake that can be put back into every node, to show that the histories find it.
public struct MeshBug: Sendable {
    /// Short name, as `simulate --bugs` prints it.
    public let name: String
    let faults: NodeFaults
    /// Seeds within which it must be found. Well above what was needed from several starting points.
    public let seedLimit: Int

    /// All of them, in the order of `NodeFaults`.
    public static let all: [MeshBug] = [
        MeshBug(name: "replace-without-margin", faults: .replaceWithoutMargin, seedLimit: 400),
        MeshBug(name: "new-leader-forgets-leases", faults: .newLeaderForgetsLeases, seedLimit: 10),
        MeshBug(name: "grant-without-confirmation", faults: .grantWithoutConfirmation, seedLimit: 400),
        MeshBug(name: "grant-to-condemned", faults: .grantToCondemned, seedLimit: 400),
        MeshBug(name: "lease-from-arrival", faults: .leaseFromArrival, seedLimit: 400),
        MeshBug(name: "lease-before-applied", faults: .leaseBeforeApplied, seedLimit: 400),
        MeshBug(name: "thaw-replaced", faults: .thawReplaced, seedLimit: 400),
        MeshBug(name: "forget-supervisors", faults: .forgetSupervisors, seedLimit: 10),
        MeshBug(name: "new-request-on-retry", faults: .newRequestOnRetry, seedLimit: 10),
        MeshBug(name: "forget-reports-on-send", faults: .forgetReportsOnSend, seedLimit: 10),
    ]

    /// The first seed that finds it, how many were tried and what it broke; nil where none does within the limit.
    public func hunt(from first: UInt64, limit: Int? = nil) -> (seed: UInt64, tried: Int, broken: String)? {
        for tried in 1...(limit ?? seedLimit) {
            let seed = first + UInt64(tried - 1)
            let mesh = MeshSimulation(seed: seed, bug: self)
            if let broken = mesh.run() { return (seed, tried, broken) }
        }
        return nil
    }
}
