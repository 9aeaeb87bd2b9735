import Glibc

/// The groups of one supervisor.
final class CgroupPool {
    private let hierarchies: CgroupHierarchies
    private let prefix: String
    private var idle: [Cgroup] = []
    private var made = 0

    /// Names that others use are passed over, at most so many.
    private static let attemptsMax = 10_000

    /// Groups are named after the supervisor, `sPROCESS.N`. Those of supervisors that were killed are removed.
    init(hierarchies: CgroupHierarchies) {
        self.hierarchies = hierarchies
        prefix = "s\(getpid())"
        Self.sweep(hierarchies.bases)
    }

    private static func sweep(_ bases: [String]) {
        guard let first = bases.first else { return }
        do throws(HostError) {
            for name in try HostFiles.names(in: first) where name.hasPrefix("s") {
                guard let claim = try CgroupClaim.take("\(first)/\(name)") else { continue }
                // A group that still holds something is not removed by this call.
                withExtendedLifetime(claim) { for base in bases.reversed() { rmdir("\(base)/\(name)") } }
            }
        } catch {
            // What is left over is empty and harms nobody.
        }
    }

    /// Makes one ahead, so that the first attempt finds it. What fails now is said when an attempt asks.
    func warm() {
        guard idle.isEmpty, hierarchies.unified != nil || !hierarchies.legacy.isEmpty else { return }
        do throws(HostError) { idle.append(try make()) } catch {}
    }

    var enforcesMemory: Bool { hierarchies.canLimitMemory }

    /// A group with these limits, or nil where this host has none.
    func take(_ limits: Cgroup.Limits) throws(HostError) -> Cgroup? {
        guard hierarchies.unified != nil || !hierarchies.legacy.isEmpty else { return nil }
        if let group = idle.popLast() {
            try group.prepare(limits)
            return group
        }
        let group = try make()
        try group.prepare(limits)
        return group
    }

    private func make() throws(HostError) -> Cgroup {
        for _ in 0..<Self.attemptsMax {
            made += 1
            if let group = try Cgroup(name: "\(prefix).\(made)", in: hierarchies) { return group }
        }
        throw .system(
            operation: "mkdir", path: "\(hierarchies.bases.first ?? "")/\(prefix).\(made)", errorNumber: EEXIST)
    }

    /// Empty again, to be used for a later attempt where its counters can begin anew.
    func giveBack(_ group: Cgroup) {
        if group.canCountAgain { idle.append(group) } else { group.remove() }
    }

    func removeAll() {
        for group in idle { group.remove() }
        idle = []
    }
}
