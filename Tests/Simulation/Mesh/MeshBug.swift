@_spi(Simulation) import Node

/// A mistake that can be put back into every node, to show that the histories find it.
public struct MeshBug: Sendable {
    /// Short name, as `simulate --bugs` prints it.
    public let name: String
    let faults: NodeFaults
    /// A seed that found it when this was written.
    public let knownSeed: UInt64
    /// Seeds within which each must be found. Well above what the rarest needed from several starting points.
    public static let seedLimit = 600

    /// All of them, in the order of `NodeFaults`.
    public static let all: [MeshBug] = [
        MeshBug(name: "replace-without-margin", faults: .replaceWithoutMargin, knownSeed: 60),
        MeshBug(name: "new-leader-forgets-leases", faults: .newLeaderForgetsLeases, knownSeed: 4),
        MeshBug(name: "grant-without-confirmation", faults: .grantWithoutConfirmation, knownSeed: 40),
        MeshBug(name: "grant-to-condemned", faults: .grantToCondemned, knownSeed: 29),
        MeshBug(name: "lease-from-arrival", faults: .leaseFromArrival, knownSeed: 83),
        MeshBug(name: "lease-before-applied", faults: .leaseBeforeApplied, knownSeed: 25),
        MeshBug(name: "thaw-replaced", faults: .thawReplaced, knownSeed: 7),
        MeshBug(name: "forget-supervisors", faults: .forgetSupervisors, knownSeed: 1),
        MeshBug(name: "new-request-on-retry", faults: .newRequestOnRetry, knownSeed: 1),
        MeshBug(name: "forget-reports-on-send", faults: .forgetReportsOnSend, knownSeed: 4),
        MeshBug(name: "begin-without-room", faults: .beginWithoutRoom, knownSeed: 9),
        MeshBug(name: "read-without-confirmation", faults: .readWithoutConfirmation, knownSeed: 7),
        MeshBug(name: "rank-outlives-gang", faults: .rankOutlivesGang, knownSeed: 9),
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
